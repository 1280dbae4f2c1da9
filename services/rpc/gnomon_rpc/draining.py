"""Which calls are under way, so that a server can say which it abandoned."""

from collections import Counter
from collections.abc import Callable
from typing import Any


class CallsUnderWay:
    """A `Watch` that counts calls by method; health checks and reflection are not among them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def begin(self, method: str, context: Any) -> Callable[[str], None]:  # noqa: ARG002  a `Watch`
        self._counts[method] += 1

        def end(_code: str) -> None:
            self._counts[method] -= 1

        return end

    def by_method(self) -> dict[str, int]:
        """Return how many calls each method has under way; methods without any are left out."""
        return dict(sorted((+self._counts).items()))
