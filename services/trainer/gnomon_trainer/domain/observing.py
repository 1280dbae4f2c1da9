"""What the trainer tells of what happens in its process. No method may ever be given the text of a user.

What is written in rows, such as how many runs wait, is read from there when
somebody looks: workers and other trainers write it as well.
"""

from enum import StrEnum
from typing import Protocol


class Asked(StrEnum):
    """How a call of a provider ended."""

    ANSWERED = "answered"
    UNUSABLE = "unusable"  # an answer without a text that could be used
    INVALID = "invalid"  # what came is no chat completion
    REFUSED = "refused"  # and will be again
    UNAVAILABLE = "unavailable"  # overloaded, too slow, or gone in the middle
    NOT_REACHED = "not_reached"  # nothing was sent
    NOT_ALLOWED = "not_allowed"  # the operator does not allow the address
    BROKEN_OFF = "broken_off"  # whoever asked has left


class Observer(Protocol):
    """Hears of what happens, from the event loop. Calls must be quick and never raise."""

    def asked(self, outcome: Asked, seconds: float) -> None:
        """A provider was asked once."""

    def billed(self, input_tokens: int, output_tokens: int) -> None:
        """A provider said what a call took."""

    def waited(self, seconds: float) -> None:
        """A call waited for its turn at a provider."""

    def received(self, size_bytes: int) -> None:
        """A part of an upload came in."""

    def worker_ended(self, stopped: bool) -> None:
        """A worker process ended, because it was told to or not."""

    def lease_expired(self, kind: str, count: int) -> None:
        """Work of a process that is gone was taken from it: `runs` or `paid_work`."""


class Silent:
    """Tells nobody."""

    def asked(self, outcome: Asked, seconds: float) -> None: ...

    def billed(self, input_tokens: int, output_tokens: int) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def received(self, size_bytes: int) -> None: ...

    def worker_ended(self, stopped: bool) -> None: ...

    def lease_expired(self, kind: str, count: int) -> None: ...
