"""`google.longrunning.Operations`: runs, labellings and generations, seen as operations."""

# ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from gnomon.errors import InvalidRequestError, NotFoundError, UnimplementedError, Violation
from gnomon.names import OperationName
from gnomon_rpc import caller, pages
from gnomon_rpc.access import check_owner, check_scope
from gnomon_trainer.api.generation_messages import generation_operation
from gnomon_trainer.api.labelling_messages import labelling_operation
from gnomon_trainer.api.messages import operation_message
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.generation_use_cases import Generations
from gnomon_trainer.domain.labelling_use_cases import Labellings
from gnomon_trainer.domain.run_use_cases import Runs
from gnomon_trainer.domain.runs import Run

FULL_NAME = "google.longrunning.Operations"


class Operated(Protocol):
    """One kind of what is seen as operations."""

    async def get(self, name: OperationName) -> Any: ...

    async def page(self, before: int | None, size: int) -> Sequence[tuple[int, Any]]:
        """Return (number, operation), newest first, with numbers below `before`."""
        ...

    async def cancel(self, name: OperationName) -> None: ...

    async def wait(self, name: OperationName, timeout_s: float | None) -> Any: ...


class RunOperations:
    """Runs as operations."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def get(self, name: OperationName) -> Any:
        return await self._message(await self._of_a_project_of_the_caller(name))

    async def page(self, before: int | None, size: int) -> Sequence[tuple[int, Any]]:
        bound_to = caller.current().projects or None  # a key that is bound to none acts for all
        found = await self._runs.page(bound_to, before, size)
        return [(run.number, operation_message(run)) for run in found]

    async def cancel(self, name: OperationName) -> None:
        check_scope(caller.current(), "CancelOperation", frozenset({"train"}))
        await self._of_a_project_of_the_caller(name)
        await self._runs.cancel(name)

    async def wait(self, name: OperationName, timeout_s: float | None) -> Any:
        await self._of_a_project_of_the_caller(name)
        return await self._message(await self._runs.wait(name, timeout_s))

    async def _of_a_project_of_the_caller(self, name: OperationName) -> Run:
        """Return the run; an operation's name does not tell the project, so the gate cannot."""
        run = await self._runs.get(name)
        check_owner(caller.current(), run.project, name)
        return run

    async def _message(self, run: Run) -> Any:
        return operation_message(run, await self._runs.latest_point(run))


class LabellingOperations:
    """Labellings as operations."""

    def __init__(self, labellings: Labellings) -> None:
        self._labellings = labellings

    async def get(self, name: OperationName) -> Any:
        return labelling_operation(await self._labellings.get(name))

    async def page(self, before: int | None, size: int) -> Sequence[tuple[int, Any]]:
        found = await self._labellings.page(before, size)
        return [(each.work.number, labelling_operation(each)) for each in found]

    async def cancel(self, name: OperationName) -> None:
        await self._labellings.cancel(name)

    async def wait(self, name: OperationName, timeout_s: float | None) -> Any:
        return labelling_operation(await self._labellings.wait(name, timeout_s))


class GenerationOperations:
    """Generations as operations."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    async def get(self, name: OperationName) -> Any:
        return generation_operation(await self._generations.get(name))

    async def page(self, before: int | None, size: int) -> Sequence[tuple[int, Any]]:
        found = await self._generations.page(before, size)
        return [(work.number, generation_operation(work, whole=False)) for work in found]

    async def cancel(self, name: OperationName) -> None:
        await self._generations.cancel(name)

    async def wait(self, name: OperationName, timeout_s: float | None) -> Any:
        return generation_operation(await self._generations.wait(name, timeout_s))


class OperationsServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # no types
    """An operation is a view of the row of its work; the first letter of its ID tells which kind."""

    # ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

    def __init__(self, by_letter: Mapping[str, Operated]) -> None:
        self._by_letter = by_letter

    async def GetOperation(self, request: Any, context: Any) -> Any:
        name = OperationName.parse(request.name)
        return await self._of(name).get(name)

    async def ListOperations(self, request: Any, context: Any) -> Any:
        if request.name not in {"", "operations"}:
            raise InvalidRequestError(
                "name must be operations.", violations=[Violation("name", "must be operations")]
            )
        if request.filter:
            raise InvalidRequestError(
                "Operations cannot be filtered; ListRuns, ListLabellings and ListGenerations list one kind.",
                violations=[Violation("filter", "must be empty")],
            )
        size = pages.page_size(request.page_size)
        found = await self._page(pages.read_token(request), size + 1)
        last = found[size - 1][0] if len(found) > size else None
        return operations_pb2.ListOperationsResponse(
            operations=[operation for _, operation in found[:size]],
            next_page_token=pages.make_token(request, last),
        )

    async def _page(self, after: str | None, size: int) -> list[tuple[str, Any]]:
        """Return (key, operation), kind by kind, after a key: the kind's letter and the number."""
        letters = list(self._by_letter)
        letter, before = (after[:1], number(after[1:])) if after else (letters[0], None)
        if letter not in letters:
            raise _no_token()
        found: list[tuple[str, Any]] = []
        for each in letters[letters.index(letter) :]:
            page = await self._by_letter[each].page(before if each == letter else None, size - len(found))
            found += [(f"{each}{place}", operation) for place, operation in page]
            if len(found) == size:
                break
        return found

    async def CancelOperation(self, request: Any, context: Any) -> Any:
        name = OperationName.parse(request.name)
        await self._of(name).cancel(name)
        return empty_pb2.Empty()

    async def WaitOperation(self, request: Any, context: Any) -> Any:
        timeout_s = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else None
        name = OperationName.parse(request.name)
        return await self._of(name).wait(name, timeout_s)

    async def DeleteOperation(self, request: Any, context: Any) -> Any:
        raise UnimplementedError("Operations are views of what they are about, and are not deleted.")

    def _of(self, name: OperationName) -> Operated:
        found = self._by_letter.get(name.operation[:1])
        if found is None:
            raise NotFoundError(f"There is no {name}.", resource=str(name))
        return found


def _no_token() -> InvalidRequestError:
    return InvalidRequestError(
        "The page_token is not one that this service gave.",
        violations=[Violation("page_token", "is not one that this service gave")],
    )
