"""What the scorer tells of its work. No method may ever be given the text of a user."""

from typing import Protocol

from gnomon.names import MetricVersionName
from gnomon_scorer.domain.lanes import Lane


class Observer(Protocol):
    """Hears of what happens, from the event loop. Calls must be quick and never raise."""

    def tokenized(self, instances: int, seconds: float) -> None:
        """The instances of a request were rendered and tokenized."""

    def ran(
        self, version: MetricVersionName, instances: int, tokens: int, padded_tokens: int, seconds: float
    ) -> None:
        """A batch went through an evaluator."""

    def waited(self, version: MetricVersionName, lane: Lane, seconds: float) -> None:
        """An instance waited so long until its batch began."""

    def dropped(self, version: MetricVersionName, reason: str) -> None:
        """An instance was not run: `expired`, `cancelled`, `poisonous` or `broken`."""

    def refused(self, reason: str, lane: Lane) -> None:
        """A request was turned away on arrival: `queue_full`, `too_late` or `unfair_share`."""

    def looked_up(self, is_hit: bool) -> None:
        """The response cache was asked for an instance."""


class Silent:
    """Tells nobody."""

    def tokenized(self, instances: int, seconds: float) -> None: ...

    def ran(
        self, version: MetricVersionName, instances: int, tokens: int, padded_tokens: int, seconds: float
    ) -> None: ...

    def waited(self, version: MetricVersionName, lane: Lane, seconds: float) -> None: ...

    def dropped(self, version: MetricVersionName, reason: str) -> None: ...

    def refused(self, reason: str, lane: Lane) -> None: ...

    def looked_up(self, is_hit: bool) -> None: ...
