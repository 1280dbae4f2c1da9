"""`client.labellings`."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._async.concurrency import sleep
from gnomon._async.connection import AsyncConnection
from gnomon._async.labelling_operation import AsyncLabellingOperation
from gnomon._labellings import has_ended, labelling_message
from gnomon._requests import new_request_id
from gnomon._retry import Attempts
from gnomon.errors import GnomonError, InternalError, ServiceUnavailableError, WorkStateError
from gnomon.v1 import labellings_pb2 as pb

_SERVICE = "gnomon.v1.TrainerService"


class AsyncLabellings:
    """A labelling is a judge's work on all rows of a dataset. A name is `labellings/first` or `first`.

    The trainer does it: it goes on when the caller leaves and when the trainer
    starts anew, and pays for no answer twice.
    """

    def __init__(self, trainer_connection: AsyncConnection) -> None:
        self._trainer = trainer_connection

    async def label(
        self,
        dataset: str,
        *,
        provider: str,
        labelling_id: str = "",
        target_dataset_id: str = "",
        judge_prompt: str = "",
        votes: int = 1,
        budget: pb.JudgeBudget | None = None,
        canary_count: int | None = None,
        examples: str | None = None,
        example_count: int = 0,
        seed: int = 0,
    ) -> AsyncLabellingOperation:
        """Have a judge label a dataset that was uploaded without labels: it becomes the next version.

        Args:
            labelling_id: made by the server if empty.
            target_dataset_id: the dataset whose next version gets the rows; this one if empty.
            judge_prompt: what the judge is asked; the metric's if empty.
            votes: how often each row is judged; the shares of the votes are its soft label.
            budget: what may be spent. Once it is, the labelling stops and can be resumed.
            canary_count: so many rows are judged once more with an instruction planted in them,
                to see whether the judge follows it; None for 20.
            examples: a dataset of rows that people labelled, to show the judge some of them.
            example_count: how many, at most 16; 0 for 8.
            seed: another one draws other canaries and examples.

        Raises:
            DatasetLabelledError: the rows have labels; `validate` finds out how the judge does on them.
            InvalidRequestError: the metric has no judge prompt, or a number is out of its range.
        """
        message = labelling_message(
            pb.Labelling.LABEL,
            dataset,
            provider=provider,
            judge_prompt=judge_prompt,
            votes=votes,
            budget=budget,
            canary_count=canary_count,
            examples=examples,
            example_count=example_count,
            seed=seed,
            target_dataset_id=target_dataset_id,
        )
        return await self._create(message, labelling_id)

    async def validate(
        self,
        test_set: str,
        *,
        provider: str,
        labelling_id: str = "",
        judge_prompt: str = "",
        votes: int = 1,
        budget: pb.JudgeBudget | None = None,
        canary_count: int | None = None,
        examples: str | None = None,
        example_count: int = 0,
        seed: int = 0,
    ) -> AsyncLabellingOperation:
        """Find out how well a judge agrees with the labels of people. It changes no dataset.

        What is given means the same as for `label`.

        Raises:
            DatasetUnlabelledError: the rows have no labels.
            DatasetUnsuitableError: a judge gave them their labels.
        """
        message = labelling_message(
            pb.Labelling.VALIDATE,
            test_set,
            provider=provider,
            judge_prompt=judge_prompt,
            votes=votes,
            budget=budget,
            canary_count=canary_count,
            examples=examples,
            example_count=example_count,
            seed=seed,
        )
        return await self._create(message, labelling_id)

    async def get(self, name: str) -> pb.Labelling:
        request = pb.GetLabellingRequest(name=shorthand.labelling(name))
        return await self._trainer.unary(f"{_SERVICE}/GetLabelling", request, pb.Labelling)

    async def list(self) -> AsyncIterator[pb.Labelling]:
        """Yield all labellings, newest first."""
        request, response = pb.ListLabellingsRequest(), pb.ListLabellingsResponse
        async for page in self._trainer.pages(f"{_SERVICE}/ListLabellings", request, response):
            for labelling in page.labellings:
                yield labelling

    async def cancel(self, name: str) -> None:
        """Ask a labelling to stop. It can be resumed."""
        labelling = await self.get(name)
        request = operations_pb2.CancelOperationRequest(name=labelling.operation)
        method = "google.longrunning.Operations/CancelOperation"
        await self._trainer.unary(method, request, empty_pb2.Empty)

    async def resume(self, name: str, *, budget: pb.JudgeBudget | None = None) -> AsyncLabellingOperation:
        """Go on with a labelling that failed or was cancelled, also with rows that could not be judged.

        Args:
            budget: what may be spent from the beginning on, what was spent before included; as before
                if None.

        Raises:
            WorkStateError: it has not stopped, or is over.
        """
        request = pb.ResumeLabellingRequest(name=shorthand.labelling(name), budget=budget)
        await self._trainer.unary(
            f"{_SERVICE}/ResumeLabelling", request, operations_pb2.Operation, repeated_is=WorkStateError
        )
        return AsyncLabellingOperation(self, request.name)

    async def watch(self, name: str, *, timeout_s: float | None = None) -> AsyncGenerator[pb.Labelling, None]:
        """Follow a labelling to its end, over restarts of the trainer: now, at every change, at its end."""
        limit = Attempts(timeout_s)
        attempts = Attempts(self._trainer.timeout_s)
        request = pb.WatchLabellingRequest(name=shorthand.labelling(name))
        while True:
            try:
                stream = self._trainer.stream(
                    f"{_SERVICE}/WatchLabelling",
                    request,
                    pb.WatchLabellingResponse,
                    timeout_s=limit.remaining_s(),
                )
                async with aclosing(stream) as events:
                    async for event in events:
                        attempts.restart()
                        yield event.labelling
                        if has_ended(event.labelling):
                            return
                failure: GnomonError = ServiceUnavailableError(
                    "The trainer ended the stream before the labelling's end."
                )
            except GnomonError as error:
                failure = error
            if not attempts.failures:
                attempts.restart()  # it may have been silent for long: the time runs from the outage on
            await sleep(attempts.delay_after(failure))

    async def wrong_rows(self, name: str) -> AsyncIterator[pb.WrongRow]:
        """Yield the rows that a judge labels otherwise than people, with both labels and its explanation.

        Raises:
            WorkStateError: the labelling does not validate.
        """
        request, response = (
            pb.ListWrongRowsRequest(parent=shorthand.labelling(name)),
            pb.ListWrongRowsResponse,
        )
        async for page in self._trainer.pages(f"{_SERVICE}/ListWrongRows", request, response):
            for row in page.rows:
                yield row

    async def compare(self, first: str, second: str) -> pb.CompareLabellingsResponse:
        """Compare two judges, or two prompts, row by row on the same labelled rows.

        Differences are first less second, each with the 95 % interval of a
        paired bootstrap: one that holds 0 may be chance.

        Raises:
            LabellingsNotComparableError: they are not both over, or not of the same rows and classes.
        """
        request = pb.CompareLabellingsRequest(
            first_labelling=shorthand.labelling(first), second_labelling=shorthand.labelling(second)
        )
        return await self._trainer.unary(
            f"{_SERVICE}/CompareLabellings", request, pb.CompareLabellingsResponse
        )

    async def _create(self, labelling: pb.Labelling, labelling_id: str) -> AsyncLabellingOperation:
        request = pb.CreateLabellingRequest(
            labelling=labelling, labelling_id=labelling_id, request_id=new_request_id()
        )
        operation = await self._trainer.unary(
            f"{_SERVICE}/CreateLabelling", request, operations_pb2.Operation
        )
        created = pb.Labelling()
        if not operation.metadata.Unpack(created):
            raise InternalError("The trainer's operation does not tell its labelling; see the trainer's log.")
        return AsyncLabellingOperation(self, created.name)
