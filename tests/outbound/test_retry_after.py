"""When an answer says to ask again: seconds, a date, or whatever a server writes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon_outbound.retry_after import retry_after_s

NOW = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
PIECES = [
    "Mon,",
    "01",
    "Jan",
    "2026",
    "9" * 20,
    "9" * 400,
    "00:00:00",
    "GMT",
    "-0000",
    "+9999",
    "-",
    ":",
    "²",
]

WRITTEN = st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join)


def asked(text: str, **others: str) -> float | None:
    return retry_after_s({"retry-after": text} | others, NOW)


@given(st.floats(0, 1e9))
def test_a_number_is_seconds(seconds: float) -> None:
    assert asked(f"{seconds:f}") == pytest.approx(seconds, abs=1e-6)


@given(st.integers(-100_000, 100_000), st.integers(-100_000, 100_000))
def test_a_date_is_counted_from_that_of_the_answer_or_from_now(ahead_s: int, skew_s: int) -> None:
    theirs = NOW + timedelta(seconds=skew_s)
    then = format_datetime(theirs + timedelta(seconds=ahead_s), usegmt=True)

    assert asked(then, date=format_datetime(theirs, usegmt=True)) == max(0, ahead_s)
    assert asked(then) == max(0, ahead_s + skew_s)


def test_a_date_without_a_zone_is_of_greenwich() -> None:
    assert asked("Sun, 22 Nov 2026 08:10:00 -0000") == 600


@pytest.mark.parametrize("text", ["", " ", "soon", "-1", "1 minute", "²", "nan", "inf"])
def test_what_is_neither_asks_for_nothing(text: str) -> None:
    assert asked(text) is None


def test_no_header_asks_for_nothing_and_a_huge_number_for_ever() -> None:
    assert retry_after_s({}, NOW) is None
    assert asked("9" * 400) == inf


@given(WRITTEN, WRITTEN)
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "")
@example("Sun, 22 Nov 2026 08:10:00 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
def test_whatever_a_server_writes_there_is_a_wait_or_none(text: str, date: str) -> None:
    wait_s = asked(text, date=date)
    assert wait_s is None or wait_s >= 0
