"""The port that keeps runs. Pure.

A worker's changes go through `RunStore.write_leased`, which lets only the
holder of the newest lease write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gnomon.errors import AlreadyExistsError, LeaseLostError, NotFoundError
from gnomon.names import OperationName, RunName
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.training import Point


@dataclass(frozen=True, slots=True)
class Lease:
    """What a worker holds while it works on a run."""

    uid: str
    fence: int


def lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError("Another worker has the run, or it was ended.", resource=f"operations/{lease.uid}")


def taken(run: Run) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"There is already a {run.name}. Choose another run ID.", resource=str(run.name)
    )


def no_run(name: RunName | OperationName) -> NotFoundError:
    return NotFoundError(f"There is no {name}.", resource=str(name))


Change = Callable[[Run], Run]


class RunStore(Protocol):
    """Keeps runs and the points of their curves. Every write is all or nothing."""

    def replayed(self, request: Request) -> Run | None:
        """Return the run that the same request created before; None if it is new.

        Raises:
            RequestIdReusedError: the ID came with another body.
        """
        ...

    def create(self, run: Run, request: Request | None) -> Run:
        """Store a new run; a replayed request gives the run it created.

        Raises:
            AlreadyExistsError: the project has a run of this ID.
            NotFoundError: a set that it names was deleted meanwhile.
        """
        ...

    def get(self, name: RunName | OperationName) -> Run:
        """Return a run, or raise NotFoundError."""
        ...

    def page(self, projects: frozenset[str] | None, before: int | None, size: int) -> Sequence[Run]:
        """Return runs of these projects, or of all, newest first, with numbers below `before`."""
        ...

    def change(self, name: RunName | OperationName, change: Change) -> Run:
        """Apply a change in one transaction; return the run after it. NotFoundError if there is none."""
        ...

    def claim(self, worker: str, now: float) -> Run | None:
        """Lease the oldest claimable run to a worker, as `claimed` says; None if there is none."""
        ...

    def write_leased(self, lease: Lease, change: Change, points: Sequence[Point] = ()) -> Run:
        """Apply a worker's change and add points in one transaction, if the lease is the newest.

        That renews the lease, even one that has expired. A point replaces what
        was known at its step and drops what came after it: a resumed training
        goes back to its checkpoint.

        Raises:
            LeaseLostError: another worker has the run, or it was ended.
            NotFoundError: a training set that the change gives to the run was deleted meanwhile.
        """
        ...

    def waiting(self) -> Sequence[Run]:
        """Return the runs that wait for their training set, oldest first."""
        ...

    def points(self, uid: str, after: int = 0) -> Sequence[tuple[int, Point]]:
        """Return (place, point) written after a place, in that order. Places grow with every write."""
        ...

    def latest_point(self, uid: str) -> Point | None:
        """Return the point that was written last."""
        ...

    def expire_leases(self, worker: str) -> int:
        """Let a dead worker's runs be claimed at once; return how many there were."""
        ...

    def free_leases(self, worker: str) -> int:
        """As `expire_leases`, of a worker that was told to end: that counts as no crash of its runs."""
        ...

    def life_signs(self) -> Sequence[LifeSign]:
        """Return what the rows of runs show that a worker holds and whose leases have not expired."""
        ...

    def expire(self, sign: LifeSign) -> bool:
        """Let anybody claim a run; False, and nothing is done, if it has changed since the sign."""
        ...

    def settle_cancelled(self, now: float) -> int:
        """End the runs that were to be cancelled by a worker that is gone; return how many."""
        ...
