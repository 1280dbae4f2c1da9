# Made from gnomon/_async/generations.py by tools/unasync.py. Do not edit.

"""`client.generations`."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._generations import Budget, budget_message, is_moving, reason_of
from gnomon._requests import new_request_id
from gnomon._retry import Attempts
from gnomon._sync.concurrency import sleep
from gnomon._sync.connection import Connection
from gnomon.errors import GnomonError, InternalError, ServiceUnavailableError, WorkStateError
from gnomon.v1 import generations_pb2 as pb

_SERVICE = "gnomon.v1.TrainerService"


class Generations:
    """Training sets that a provider's model writes after rows of a test set.

    A generation begins with a sample. Look at it (`rows`), turn it down with a
    reason as often as it takes (`regenerate`), then `approve` it.
    """

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def create(
        self,
        metric: str,
        *,
        provider: str,
        test_set: str,
        generation_id: str = "",
        judge_provider: str = "",
        seed_set: str = "",
        seed_share: float = 0.0,
        sample_rows: int = 0,
        rows: int = 0,
        class_balance: Mapping[str, float] | None = None,
        votes: int = 0,
        budget: Budget | None = None,
        dataset_id: str = "",
        seed: int = 0,
    ) -> pb.Generation:
        """Choose seeds and have a sample made.

        Args:
            provider: whose model writes the rows.
            test_set: rows that people labelled. Some become seeds; evaluators that learn from the
                result are measured on the others.
            judge_provider: whose model judges each row; `provider` if empty.
            seed_set: a dataset with further seeds.
            seed_share: the share of the test set that becomes seeds; 0 for 0.2.
            sample_rows: 0 for 50.
            rows: how many in all; 0 for 2000.
            class_balance: the share of each class; equal shares if None.
            votes: how often each row is judged; 0 for 1.
            budget: what may be spent in all: `{"max_tokens": …}`, or `max_cost` with
                `input_price` and `output_price` of a million tokens.
            dataset_id: the dataset that the rows become; named as the generation if empty.
            seed: which seeds are drawn.

        Raises:
            GenerationShapeUnsupportedError: the metric reads whole traces or sessions.
            GenerationSeedsMissingError: the test set has too few rows.
        """
        generation = pb.Generation(
            metric=shorthand.metric(metric),
            provider=shorthand.provider(provider),
            judge_provider=shorthand.provider(judge_provider) if judge_provider else "",
            test_set=shorthand.dataset(test_set),
            seed_set=shorthand.dataset(seed_set) if seed_set else "",
            seed_share=seed_share,
            sample_row_count=sample_rows,
            row_count=rows,
            class_balance=dict(class_balance or {}),
            votes=votes,
            budget=budget_message(budget),
            dataset_id=dataset_id,
            seed=seed,
        )
        request = pb.CreateGenerationRequest(
            generation=generation, generation_id=generation_id, request_id=new_request_id()
        )
        method = f"{_SERVICE}/CreateGeneration"
        return _generation(self._trainer.unary(method, request, operations_pb2.Operation))

    def get(self, name: str) -> pb.Generation:
        """Return a generation; at its end with figures and the card of the data."""
        request = pb.GetGenerationRequest(name=shorthand.generation(name))
        return self._trainer.unary(f"{_SERVICE}/GetGeneration", request, pb.Generation)

    def list(self) -> Iterator[pb.Generation]:
        """Yield all generations, newest first, without their cards and seed rows."""
        request, response = pb.ListGenerationsRequest(), pb.ListGenerationsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListGenerations", request, response):
            yield from page.generations

    def rows(self, name: str) -> Iterator[pb.GeneratedRow]:
        """Yield the rows that were made so far, the sample first."""
        request = pb.ListGeneratedRowsRequest(parent=shorthand.generation(name))
        response = pb.ListGeneratedRowsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListGeneratedRows", request, response):
            yield from page.rows

    def regenerate(self, name: str, reason: str, words: str = "", *, sample_number: int = 0) -> pb.Generation:
        """Turn the sample down and have another one made.

        Args:
            reason: `too_repetitive`, `labels_wrong`, `off_topic`, or `other`.
            words: what is to be done better; the generator gets it as it is. Needed with `other`.
            sample_number: the sample that was looked at; 0 for the newest.

        Raises:
            WorkStateError: there is no sample to look at, or another one by now.
        """
        request = pb.RegenerateSampleRequest(
            name=shorthand.generation(name),
            reason=reason_of(reason),
            words=words,
            sample_number=sample_number or (self.get(name)).sample_number,
        )
        return self._change("RegenerateSample", request)

    def approve(self, name: str, *, sample_number: int = 0) -> pb.Generation:
        """Take the sample and have the rest made; arguments and errors are those of `regenerate`."""
        request = pb.ApproveSampleRequest(
            name=shorthand.generation(name),
            sample_number=sample_number or (self.get(name)).sample_number,
        )
        return self._change("ApproveSample", request)

    def resume(self, name: str, *, budget: Budget | None = None) -> pb.Generation:
        """Go on with a generation that failed or was cancelled; no answer is paid twice.

        Args:
            budget: what may be spent from the beginning on; as before if None.

        Raises:
            WorkStateError: it has not stopped, or has ended well.
        """
        request = pb.ResumeGenerationRequest(name=shorthand.generation(name), budget=budget_message(budget))
        operation = self._trainer.unary(
            f"{_SERVICE}/ResumeGeneration", request, operations_pb2.Operation, repeated_is=WorkStateError
        )
        # Without a name, an attempt before went through, though its answer was lost.
        return _generation(operation) if operation.name else self.get(name)

    def cancel(self, name: str) -> None:
        """Ask a generation to stop, in whatever state it is. It can be resumed."""
        generation = self.get(name)
        request = operations_pb2.CancelOperationRequest(name=generation.operation)
        method = "google.longrunning.Operations/CancelOperation"
        self._trainer.unary(method, request, empty_pb2.Empty)

    def watch(self, name: str) -> Generator[pb.Generation, None, None]:
        """Follow a generation, over restarts of the trainer.

        Yields it now and at every change, until nothing more happens by
        itself: at its end, and when a sample awaits its review.
        """
        attempts = Attempts(self._trainer.timeout_s)
        request = pb.WatchGenerationRequest(name=shorthand.generation(name))
        method, response = f"{_SERVICE}/WatchGeneration", pb.WatchGenerationResponse
        while True:
            try:
                with closing(self._trainer.stream(method, request, response)) as events:
                    for event in events:
                        attempts.restart()
                        yield event.generation
                        if not is_moving(event.generation):
                            return
                failure: GnomonError = ServiceUnavailableError("The trainer ended the stream before the end.")
            except GnomonError as error:
                failure = error
            if not attempts.failures:
                attempts.restart()  # it may have been silent for long: the time runs from the outage on
            sleep(attempts.delay_after(failure))

    def _change(
        self, method: str, request: pb.RegenerateSampleRequest | pb.ApproveSampleRequest
    ) -> pb.Generation:
        found = self._trainer.unary(
            f"{_SERVICE}/{method}", request, pb.Generation, repeated_is=WorkStateError
        )
        return found if found.name else self.get(request.name)


def _generation(operation: operations_pb2.Operation) -> pb.Generation:
    generation = pb.Generation()
    if not operation.metadata.Unpack(generation):
        raise InternalError("The trainer's operation does not tell its generation; see the trainer's log.")
    return generation
