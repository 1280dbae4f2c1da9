"""A training run that goes on while the caller does something else."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from gnomon._runs import error_of, has_ended
from gnomon.errors import DeadlineExceededError, InternalError
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon._async.runs import AsyncRuns

OnProgress = Callable[[pb.Run, Sequence[pb.TrainingPoint]], object]


class AsyncOperation:
    """What `runs.create` returns. The run goes on whether or not anyone waits for it."""

    def __init__(self, runs: "AsyncRuns", run_name: str) -> None:
        self._runs = runs
        self.run_name = run_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.run_name!r})"

    async def result(self, timeout_s: float | None = None, on_progress: OnProgress | None = None) -> pb.Run:
        """Wait until the run is registered, and return it.

        Args:
            timeout_s: how long to wait; None for as long as it takes.
            on_progress: called with the run and the new points of its curves at every change.

        Raises:
            GnomonError: the run's own error, if it failed or could not be registered.
            CancelledError: it was cancelled.
            DeadlineExceededError: it has not ended in time; it goes on.
        """
        try:
            run = await self._wait(timeout_s, on_progress)
        except DeadlineExceededError as error:
            raise DeadlineExceededError(
                f"{self.run_name} has not ended within {timeout_s} s. It goes on; ask again.",
                resource=self.run_name,
            ) from error
        failure = error_of(run)
        if failure is not None:
            raise failure
        return run

    async def done(self) -> bool:
        """Tell whether the run has ended, one way or another."""
        return has_ended(await self._runs.get(self.run_name))

    async def cancel(self) -> None:
        """Ask the run to stop. It can be resumed."""
        await self._runs.cancel(self.run_name)

    async def _wait(self, timeout_s: float | None, on_progress: OnProgress | None) -> pb.Run:
        async with aclosing(self._runs.watch(self.run_name, timeout_s=timeout_s)) as events:
            async for event in events:
                if on_progress is not None:
                    on_progress(event.run, event.points)
                if has_ended(event.run):
                    return event.run
        raise InternalError(f"The trainer did not tell the end of {self.run_name}.")
