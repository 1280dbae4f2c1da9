"""Where windows begin and end, and how their logits become one score."""

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gnomon.decision import probabilities
from gnomon.windows import held, reach, reduce, spans

COUNTS = st.integers(1, 60)
ROWS = st.lists(st.lists(st.floats(-20, 20), min_size=3, max_size=3), min_size=1, max_size=8)


@given(st.integers(0, 500), COUNTS, COUNTS, st.integers(1, 12))
def test_windows_cover_a_text_without_a_gap_up_to_their_number(
    length: int, width: int, stride: int, most: int
) -> None:
    found = spans(length, width, stride, most)

    step = min(stride, width)
    needed = 1 if length <= width else 1 + math.ceil((length - width) / step)
    assert len(found) == min(needed, most)
    assert found[0][0] == 0
    assert all(start < following <= stop for (start, stop), (following, _) in itertools.pairwise(found))
    assert all(stop - start == min(width, length) for start, stop in found)
    assert found[-1][1] == (length if needed <= most else width + (most - 1) * step)
    assert found[-1][1] <= reach(width, stride, most)


@given(st.integers(0, 500), st.integers(1, 60), st.integers(2, 60))
def test_one_window_fewer_would_not_be_enough(length: int, width: int, stride: int) -> None:
    count = len(spans(length, width, stride, 1_000))
    assume(count > 1)

    assert spans(length, width, stride, count - 1)[-1][1] < length


@given(st.integers(0, 200), st.integers(1, 200), st.integers(1, 100))
def test_what_is_kept_is_whole_unless_the_rest_would_have_less_than_a_quarter(
    kept: int, windowed: int, room: int
) -> None:
    count = held(kept, windowed, room)

    assert 0 <= count <= min(kept, room)
    assert room - count >= min(windowed, math.ceil(room / 4))
    if room - kept >= min(windowed, math.ceil(room / 4)):
        assert count == kept


@given(ROWS, st.sampled_from([(0,), (2,), (0, 2)]), st.floats(0.2, 5))
def test_the_window_decides_in_which_the_flagged_classes_are_most_probable(
    rows: list[list[float]], flagged: tuple[int, ...], temperature: float
) -> None:
    found = reduce(rows, "max", flagged)

    shares = [sum(probabilities(row, 1.0)[index] for index in flagged) for row in rows]
    assert found.deciding_window is not None
    assert found.logits == rows[found.deciding_window]
    assert shares[found.deciding_window] == pytest.approx(max(shares))
    two = [[row[0], row[1]] for row in rows]  # of two classes, no calibration changes the order
    calibrated = [probabilities(row, temperature)[1] for row in two]
    deciding = reduce(two, "max", [1]).deciding_window
    assert deciding is not None
    assert calibrated[deciding] == pytest.approx(max(calibrated))


@pytest.mark.parametrize("flagged", [(), (0, 1, 2)])
def test_without_anything_to_find_the_surest_window_decides(flagged: tuple[int, ...]) -> None:
    rows = [[1.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 3.0, 0.0]]

    assert reduce(rows, "max", flagged).deciding_window == 1


def test_the_first_of_equal_windows_decides() -> None:
    assert reduce([[0.0, 1.0], [0.0, 2.0], [0.0, 2.0]], "max", [1]).deciding_window == 1


def test_windows_are_told_apart_where_probabilities_cannot_be_any_more() -> None:
    assert reduce([[-400.0, 400.0], [-500.0, 500.0]], "max", [1]).deciding_window == 1
    assert reduce([[900.0, -900.0], [800.0, -800.0]], "max", [1]).deciding_window == 1


@given(ROWS)
def test_the_mean_is_of_the_logits_and_no_window_decides(rows: list[list[float]]) -> None:
    found = reduce(rows, "mean", [1])

    assert list(found.logits) == pytest.approx(
        [sum(c) / len(rows) for c in zip(*rows, strict=True)], abs=1e-9
    )
    assert found.deciding_window == (0 if len(rows) == 1 else None)


@pytest.mark.parametrize("reducer", ["max", "mean", ""])
def test_a_single_window_is_taken_as_it_is(reducer: str) -> None:
    row = [0.25, 0.5]

    assert reduce([row], reducer, [1]).logits is row
