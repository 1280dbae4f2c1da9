"""Who may read how many tokens: the port of quotas."""

from typing import Protocol


class Meter(Protocol):
    """Knows whose call the current task handles, and what it may read."""

    def check_tokens(self) -> None:
        """Refuse the call while its caller has read too much.

        Raises:
            QuotaExceededError: with the time until it may go on.
        """
        ...

    def debit_tokens(self, tokens: int) -> None:
        """Count tokens of the call: once it is let in, so that none count for a call that is refused."""
        ...


class Unmetered:
    """Nobody counts."""

    def check_tokens(self) -> None:
        pass

    def debit_tokens(self, tokens: int) -> None:
        pass
