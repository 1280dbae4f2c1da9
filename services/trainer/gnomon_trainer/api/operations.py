"""`google.longrunning.Operations`: runs and paid work, seen as operations."""

# ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

from typing import Any

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from gnomon.errors import InvalidRequestError, UnimplementedError, Violation
from gnomon.names import OperationName
from gnomon_rpc import pages
from gnomon_trainer.api.generation_messages import generation_operation
from gnomon_trainer.api.messages import operation_message
from gnomon_trainer.api.run_calls import number
from gnomon_trainer.domain.paid_work_use_cases import PaidWorkCases
from gnomon_trainer.domain.run_use_cases import Runs
from gnomon_trainer.domain.runs import Run

FULL_NAME = "google.longrunning.Operations"


class OperationsServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # no types
    """An operation is a view of the row of its run, or of its paid work."""

    # ruff: noqa: N802, ARG002  the names and arguments are those of the generated base class

    def __init__(self, runs: Runs, paid_work: PaidWorkCases) -> None:
        self._runs = runs
        self._paid_work = paid_work

    async def GetOperation(self, request: Any, context: Any) -> Any:
        name = OperationName.parse(request.name)
        if self._paid_work.has(name):
            return generation_operation(await self._paid_work.get(name))
        return await self._message(await self._runs.get(name))

    async def ListOperations(self, request: Any, context: Any) -> Any:
        if request.name not in {"", "operations"}:
            raise InvalidRequestError(
                "name must be operations.", violations=[Violation("name", "must be operations")]
            )
        if request.filter:
            raise InvalidRequestError(
                "Operations cannot be filtered; ListRuns lists the runs of one project.",
                violations=[Violation("filter", "must be empty")],
            )
        size = pages.page_size(request.page_size)
        found = await self._runs.page(None, number(pages.read_token(request)), size + 1)
        last = str(found[size - 1].number) if len(found) > size else None
        return operations_pb2.ListOperationsResponse(
            operations=map(operation_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def CancelOperation(self, request: Any, context: Any) -> Any:
        name = OperationName.parse(request.name)
        await (self._paid_work if self._paid_work.has(name) else self._runs).cancel(name)
        return empty_pb2.Empty()

    async def WaitOperation(self, request: Any, context: Any) -> Any:
        timeout_s = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else None
        name = OperationName.parse(request.name)
        if self._paid_work.has(name):
            return generation_operation(await self._paid_work.wait(name, timeout_s))
        return await self._message(await self._runs.wait(name, timeout_s))

    async def DeleteOperation(self, request: Any, context: Any) -> Any:
        raise UnimplementedError("Operations are views of runs and are not deleted.")

    async def _message(self, run: Run) -> Any:
        return operation_message(run, await self._runs.latest_point(run))
