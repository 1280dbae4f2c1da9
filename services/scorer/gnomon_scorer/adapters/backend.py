"""A model as the scheduler uses it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import structlog

from gnomon.tokens import Tokens
from gnomon_scorer.adapters.engines import Model
from gnomon_scorer.adapters.priority import Priorities
from gnomon_scorer.domain.loaded import first_line
from gnomon_scorer.domain.ports import BatchLimits, Logits

log = structlog.get_logger(__name__)


class ModelBackend:
    """A model, and once there is work in the background, the same again for that.

    Where a model computes in threads of its own, their priority is that of
    whoever opened it; so the background opens its own, and batches of the two
    never wait for each other. Where it computes in the calling thread, that is
    one of `priorities`.
    """

    def __init__(
        self, model: Model, limits: BatchLimits, reopen: Callable[[], Model], priorities: Priorities
    ) -> None:
        self.limits = limits
        self._model = model
        self._reopen = reopen
        self._priorities = priorities
        self._behind: Model | None = None if model.has_threads else model
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """Both models, from the start: a budget that is kept must not be broken by the first bulk job."""
        return self._model.memory_bytes * (2 if self._model.has_threads else 1)

    def run(self, batch: Sequence[Tokens]) -> Logits:
        return _run(self._model, batch, self._priorities.usual)

    def run_in_background(self, batch: Sequence[Tokens]) -> Logits:
        return _run(self._behind or self._open_behind(), batch, self._priorities.last)

    def _open_behind(self) -> Model:
        with self._lock:
            if self._behind is None:
                try:
                    self._behind = self._priorities.last.submit(self._reopen).result()
                except Exception as error:  # the cache was emptied, or memory is short: work goes on
                    log.warning("background work shares a model", error=first_line(error))
                    self._behind = self._model
            return self._behind

    def close(self) -> None:
        if self._behind is not None and self._behind is not self._model:
            self._behind.close()
        self._model.close()


def _run(model: Model, batch: Sequence[Tokens], threads: Executor) -> Logits:
    return threads.submit(model.run, batch).result() if model.computes_in_caller else model.run(batch)
