# Made from gnomon/_async/labelling_operation.py by tools/unasync.py. Do not edit.

"""A labelling that goes on while the caller does something else."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from gnomon._labellings import error_of, has_ended
from gnomon.errors import DeadlineExceededError, InternalError
from gnomon.v1 import labellings_pb2 as pb

if TYPE_CHECKING:
    from gnomon._sync.labellings import Labellings

OnLabelling = Callable[[pb.Labelling], object]


class LabellingOperation:
    """What `labellings.label` and `validate` return. The labelling goes on whether or not anyone waits."""

    def __init__(self, labellings: "Labellings", name: str) -> None:
        self._labellings = labellings
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def result(self, timeout_s: float | None = None, on_progress: OnLabelling | None = None) -> pb.Labelling:
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
            labelling = self._wait(timeout_s, on_progress)
        except DeadlineExceededError as error:
            raise DeadlineExceededError(
                f"{self.name} has not ended within {timeout_s} s. It goes on; ask again.", resource=self.name
            ) from error
        failure = error_of(labelling)
        if failure is not None:
            raise failure
        return labelling

    def done(self) -> bool:
        """Tell whether the labelling has ended, one way or another."""
        return has_ended(self._labellings.get(self.name))

    def cancel(self) -> None:
        """Ask the labelling to stop. It can be resumed."""
        self._labellings.cancel(self.name)

    def _wait(self, timeout_s: float | None, on_progress: OnLabelling | None) -> pb.Labelling:
        with closing(self._labellings.watch(self.name, timeout_s=timeout_s)) as changes:
            for labelling in changes:
                if on_progress is not None:
                    on_progress(labelling)
                if has_ended(labelling):
                    return labelling
        raise InternalError(f"The trainer did not tell the end of {self.name}.")
