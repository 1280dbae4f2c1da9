"""How far scores may be from the reference's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.decision import Decision
from gnomon.parity import changes, excess, reduced_limits

SHARES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=300)


def scored(share: float) -> Decision:
    return Decision((1 - share, share), "true" if share >= 0.5 else "false", share >= 0.5)


@given(SHARES)
def test_changes_are_what_numpy_makes_of_them(shares: list[tuple[float, float]]) -> None:
    before, after = ([scored(share) for share in column] for column in zip(*shares, strict=True))
    shifts = [max(abs(b - a), abs((1 - b) - (1 - a))) for b, a in shares]
    flips = np.mean([one.label != other.label for one, other in zip(before, after, strict=True)])
    assert changes(before, after) == pytest.approx(
        {
            "label_flip_share": flips,
            "p99_probability_change": np.quantile(shifts, 0.99),
            "max_probability_change": max(shifts),
        }
    )


@given(st.integers(1, 10_000))
def test_one_label_in_any_number_of_rows_may_flip(rows: int) -> None:
    flipped = changes(
        [scored(0.51)] + [scored(0.9)] * (rows - 1), [scored(0.49)] + [scored(0.9)] * (rows - 1)
    )
    assert excess(flipped, reduced_limits(rows)) == ""


@pytest.mark.parametrize("key", reduced_limits(100))
def test_what_is_at_its_limit_passes_and_what_is_above_or_no_number_is_named(key: str) -> None:
    limits = reduced_limits(100)
    assert excess({key: limits[key]}, limits) == ""
    assert excess({key: float("nan")}, limits).startswith(f"{key} is nan")
    assert excess({key: limits[key] * 1.01, "other": 9.0}, limits).startswith(f"{key} is ")


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()), min_size=1))
def test_what_flips_is_a_label_a_flag_or_both(rows: list[tuple[bool, bool, bool, bool]]) -> None:
    """The label of a categorical metric is the most probable class, and says nothing of its flag."""
    before = [Decision((0.5, 0.5), "a" if label else "b", flagged) for label, flagged, _, _ in rows]
    after = [Decision((0.5, 0.5), "a" if label else "b", flagged) for _, _, label, flagged in rows]
    flips = sum(row[:2] != row[2:] for row in rows)
    assert changes(before, after)["label_flip_share"] == flips / len(rows)
