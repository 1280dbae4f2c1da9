"""What an answer says about when to ask again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, possibly infinitely many; None if it asks for none.

    A date is counted from the answer's own `Date`, lest clocks that differ change the wait, or from `now` if
    there is none. Names of headers are in lower case. Whatever a server writes, this returns.
    """
    text = headers.get("retry-after", "").strip()
    try:
        if text[:1].isdigit():
            return float(text)
        date = headers.get("date", "")
        return max(0.0, (_time(text) - (_time(date) if date else now)).total_seconds())
    except (ValueError, TypeError, OverflowError):  # the last is of numbers beyond a machine word
        return None


def _time(text: str) -> datetime:
    time = parsedate_to_datetime(text)
    return time.replace(tzinfo=time.tzinfo or UTC)
