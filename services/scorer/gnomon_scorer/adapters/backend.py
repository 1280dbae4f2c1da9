"""A model as the scheduler uses it."""

import threading
from collections.abc import Callable, Sequence

import structlog

from gnomon.tokens import Tokens
from gnomon_scorer.adapters.engines import Model
from gnomon_scorer.domain.loaded import first_line
from gnomon_scorer.domain.ports import BatchLimits, Logits

log = structlog.get_logger(__name__)


class ModelBackend:
    """A model, and once there is work in the background, the same again for that.

    Where a model computes in threads of its own, their priority is that of
    whoever opened it; so the background opens its own, and batches of the two
    never wait for each other.
    """

    def __init__(self, model: Model, limits: BatchLimits, reopen: Callable[[], Model]) -> None:
        self.limits = limits
        self._model = model
        self._reopen = reopen
        self._behind: Model | None = model if model.computes_in_caller else None
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """Both models, from the start: a budget that is kept must not be broken by the first bulk job."""
        return self._model.memory_bytes * (1 if self._model.computes_in_caller else 2)

    def run(self, batch: Sequence[Tokens]) -> Logits:
        return self._model.run(batch)

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        return (self._behind or self._open_behind()).run(batch)

    def _open_behind(self) -> Model:
        with self._lock:
            if self._behind is None:
                try:
                    self._behind = self._reopen()
                except Exception as error:  # the cache was emptied, or memory is short: work goes on
                    log.warning("background work shares a model", error=first_line(error))
                    self._behind = self._model
            return self._behind

    def close(self) -> None:
        if self._behind is not None and self._behind is not self._model:
            self._behind.close()
        self._model.close()
