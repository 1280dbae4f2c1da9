"""The ports that keep paid work, what came of it, and every answer that was paid. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gnomon.errors import AlreadyExistsError, LeaseLostError, NotFoundError
from gnomon_trainer.domain.chat import ChatAnswer
from gnomon_trainer.domain.chat_budget import Tokens
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.paid_work import PaidWork, WorkKind

Change = Callable[[PaidWork], PaidWork]


@dataclass(frozen=True, slots=True)
class WorkLease:
    """What a trainer holds while it is at a piece of work."""

    uid: str
    fence: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one part of the work, such as a row.

    `part` and `place` find it again, and one that is written twice replaces the
    first. `subject` is what the answers it was made from were kept under: they
    are needed no more.
    """

    part: str  # at most 16 characters, such as "judged"
    place: int  # such as the row's number
    body: Mapping[str, Any]
    subject: str = ""


def lost(lease: WorkLease) -> LeaseLostError:
    return LeaseLostError("Another trainer is at it, or it was ended.", resource=f"operations/{lease.uid}")


def taken(work: PaidWork) -> AlreadyExistsError:
    return AlreadyExistsError(f"There is already a {work.name}. Choose another ID.", resource=work.name)


def no_work(name: str) -> NotFoundError:
    return NotFoundError(f"There is no {name}.", resource=name)


class PaidWorkStore(Protocol):
    """Keeps paid work. Every write is all or nothing."""

    def replayed(self, request: Request) -> PaidWork | None:
        """Return what the same request created before; None if it is new.

        Raises:
            RequestIdReusedError: the ID came with another body.
        """
        ...

    def create(self, work: PaidWork, request: Request | None) -> PaidWork:
        """Store new work; a replayed request gives what it created.

        Raises:
            AlreadyExistsError: there is work of this kind and ID.
            NotFoundError: a dataset that it needs was deleted meanwhile.
        """
        ...

    def get(self, kind: WorkKind, work_id: str) -> PaidWork:
        """Return work by its ID, or raise NotFoundError."""
        ...

    def find(self, uid: str) -> PaidWork:
        """Return work by its operation's ID, or raise NotFoundError."""
        ...

    def page(self, kinds: Collection[WorkKind], before: int | None, size: int) -> Sequence[PaidWork]:
        """Return work of some kinds, newest first, with numbers below `before`."""
        ...

    def change(self, uid: str, change: Change) -> PaidWork:
        """Apply a change in one transaction; return the work after it. NotFoundError if there is none."""
        ...

    def claim(self, kinds: Collection[WorkKind], holder: str, now: float) -> PaidWork | None:
        """Lease the oldest claimable work to a trainer, as `claimed` says; None if there is none."""
        ...

    def write_leased(
        self,
        lease: WorkLease,
        change: Change,
        outcomes: Sequence[Outcome] = (),
        spent: Tokens = Tokens(),  # noqa: B008  frozen
    ) -> PaidWork:
        """Apply a change of the trainer at it, store outcomes and add what was spent, in one transaction.

        That renews the lease, even one that has expired. The answers of the
        outcomes' subjects are dropped from the journal, and all that are left
        once the work is done.

        Raises:
            LeaseLostError: another trainer is at it, or it was ended.
        """
        ...

    def outcomes(
        self, uid: str, parts: Collection[str], after: int = 0, size: int | None = None
    ) -> Sequence[tuple[str, int, Mapping[str, Any]]]:
        """Return (part, place, body) of some parts, ordered by place, with places above `after`."""
        ...

    def drop_outcomes(self, uid: str, parts: Collection[str]) -> None:
        """Forget the outcomes of some parts, such as a sample that is made again."""
        ...

    def holders(self) -> frozenset[str]:
        """Return who holds leases that have not expired."""
        ...

    def expire_leases(self, holder: str) -> int:
        """Let what a dead trainer held be claimed at once; return how much there was."""
        ...

    def life_signs(self) -> Sequence[LifeSign]:
        """Return what the rows of work show that a trainer holds and whose leases have not expired."""
        ...

    def expire(self, sign: LifeSign) -> bool:
        """Let anybody claim work; False, and nothing is done, if it has changed since the sign."""
        ...

    def settle_cancelled(self, now: float) -> int:
        """End what was to be cancelled by a trainer that is gone; return how much."""
        ...


class Journal(Protocol):
    """Keeps every answer from the moment it was received until its outcome is stored."""

    def answer(self, uid: str, key: str) -> ChatAnswer | None:
        """Return the answer that was received under a key, or None."""
        ...

    def keep(self, uid: str, subject: str, key: str, answer: ChatAnswer, spent: Tokens) -> None:
        """Store an answer and add what was spent to the work's, in one transaction.

        Needs no lease: it was paid for, whoever is at the work by now. An answer
        that came under the key before stays.
        """
        ...
