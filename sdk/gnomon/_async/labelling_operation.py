"""A labelling that goes on while the caller does something else."""

from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from gnomon._labellings import error_of, has_ended
from gnomon.errors import DeadlineExceededError, InternalError
from gnomon.v1 import labellings_pb2 as pb

if TYPE_CHECKING:
    from gnomon._async.labellings import AsyncLabellings

OnLabelling = Callable[[pb.Labelling], object]


class AsyncLabellingOperation:
    """What `labellings.label` and `validate` return. The labelling goes on whether or not anyone waits."""

    def __init__(self, labellings: "AsyncLabellings", name: str) -> None:
        self._labellings = labellings
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def result(
        self, timeout_s: float | None = None, on_progress: OnLabelling | None = None
    ) -> pb.Labelling:
        """Wait until the labelling is over, and return it.

        Args:
            timeout_s: how long to wait; None for as long as it takes.
            on_progress: called with the labelling at every change.

        Raises:
            JudgeBudgetSpentError: the budget is spent; `client.labellings.resume` takes a larger one.
            GnomonError: another error that the labelling stopped with.
            CancelledError: it was cancelled.
            DeadlineExceededError: it has not ended in time; it goes on.
        """
        try:
            labelling = await self._wait(timeout_s, on_progress)
        except DeadlineExceededError as error:
            raise DeadlineExceededError(
                f"{self.name} has not ended within {timeout_s} s. It goes on; ask again.", resource=self.name
            ) from error
        failure = error_of(labelling)
        if failure is not None:
            raise failure
        return labelling

    async def done(self) -> bool:
        """Tell whether the labelling has ended, one way or another."""
        return has_ended(await self._labellings.get(self.name))

    async def cancel(self) -> None:
        """Ask the labelling to stop. It can be resumed."""
        await self._labellings.cancel(self.name)

    async def _wait(self, timeout_s: float | None, on_progress: OnLabelling | None) -> pb.Labelling:
        async with aclosing(self._labellings.watch(self.name, timeout_s=timeout_s)) as changes:
            async for labelling in changes:
                if on_progress is not None:
                    on_progress(labelling)
                if has_ended(labelling):
                    return labelling
        raise InternalError(f"The trainer did not tell the end of {self.name}.")
