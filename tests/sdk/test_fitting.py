"""What of a long transcript is kept: in the order that is promised, and never more than there is room for."""

from hypothesis import given
from hypothesis import strategies as st

from gnomon.fitting import Rank, fit, shares

SYSTEM, RESULT, TURN, LAST = Rank
TRANSCRIPTS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(Rank)), max_size=40)


@given(TRANSCRIPTS, st.integers(0, 3000))
def test_what_is_kept_fits_and_what_fits_is_kept(parts: list[tuple[int, Rank]], room: int) -> None:
    lengths, ranks = [length for length, _ in parts], [rank for _, rank in parts]

    kept = fit(lengths, ranks, room)

    assert sum(kept) <= room
    assert all(0 <= part <= length for part, length in zip(kept, lengths, strict=True))
    if sum(lengths) <= room:
        assert kept == lengths


@given(TRANSCRIPTS, st.integers(0, 3000))
def test_the_first_request_and_the_last_turns_are_whole_as_long_as_anything_else_is_there(
    parts: list[tuple[int, Rank]], room: int
) -> None:
    lengths, ranks = [length for length, _ in parts], [rank for _, rank in parts]

    kept = fit(lengths, ranks, room)

    if any(part for part, rank in zip(kept, ranks, strict=True) if rank is not LAST):
        assert all(k == n for k, n, rank in zip(kept, lengths, ranks, strict=True) if rank is LAST)


def test_parts_are_shortened_rank_by_rank() -> None:
    lengths, ranks = [900, 30, 500, 100, 300, 40], [SYSTEM, LAST, RESULT, TURN, RESULT, LAST]

    assert fit(lengths, ranks, 1000) == [30, 30, 500, 100, 300, 40]
    assert fit(lengths, ranks, 800) == [16, 30, 314, 100, 300, 40]
    assert fit(lengths, ranks, 400) == [16, 30, 107, 100, 107, 40]
    assert fit(lengths, ranks, 290) == [16, 30, 64, 76, 64, 40]
    assert fit(lengths, ranks, 200) == [16, 30, 25, 64, 25, 40]
    assert fit(lengths, ranks, 140) == [16, 30, 16, 22, 16, 40]
    assert fit(lengths, ranks, 110) == [16, 30, 0, 0, 16, 40]  # the oldest goes first
    assert fit(lengths, ranks, 75) == [0, 30, 0, 0, 0, 40]
    assert fit(lengths, ranks, 50) == [0, 25, 0, 0, 0, 25]


def test_the_same_holds_of_characters() -> None:
    assert fit([16_000, 160], [SYSTEM, LAST], 420, unit=16) == [260, 160]
    assert fit([16_000, 160], [SYSTEM, LAST], 410, unit=16) == [0, 160]


@given(st.integers(0, 500), st.integers(0, 9))
def test_beginning_end_and_marker_are_what_is_kept(kept: int, marker: int) -> None:
    head, tail = shares(kept, marker)

    assert head + tail == (kept - marker if tail else kept)
    assert not tail or 0 <= head - tail <= 1
