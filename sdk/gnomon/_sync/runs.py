# Made from gnomon/_async/runs.py by tools/unasync.py. Do not edit.

"""`client.runs`."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._requests import field_mask, new_request_id
from gnomon._retry import Attempts
from gnomon._runs import RUN_OPTIONS, has_ended, wanted_again, wanted_run
from gnomon._sync.concurrency import sleep
from gnomon._sync.connection import Connection
from gnomon._sync.operation import Operation
from gnomon.errors import GnomonError, InternalError, RunStateError, ServiceUnavailableError
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

_SERVICE = "gnomon.v1.TrainerService"


class Runs:
    """Training runs. A name is `projects/support/runs/first` or `support/first`."""

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def create(
        self,
        project: str,
        *,
        metric: str,
        test_set: str,
        training_set: str = "",
        labelling: str = "",
        generation: str = "",
        recipe: str = "small",
        run_id: str | None = None,
        display_name: str = "",
        allow_small: bool = False,
        slice_columns: Sequence[str] = (),
        judge_column: str = "",
        service_objective: Mapping[str, Any] | pb.ServiceObjective | None = None,
        **parameters: Any,
    ) -> Operation:
        """Check the two sets and queue a run.

        The training set is there (`training_set`), or a judge labels it (`labelling`), or a
        model writes it (`generation`): name exactly one. The run waits for the latter two, and
        is checked with their rows then; what is wrong with all else is refused at once.

        Args:
            labelling: the name of a labelling that is under way or has ended.
            generation: the name of a generation, likewise.
            run_id: made by the server if None.
            allow_small: allow fewer rows than a trustworthy run needs; the report says so.
            slice_columns: extra columns of the test set by which the report divides it; those
                with few short values if empty. Their values stand in the report.
            judge_column: the extra column of the test set with a judge's labels; if empty,
                `judge_label` where there is one.
            service_objective: the load to carry, such as `{"peak_qps": 50, "input_tokens": 200,
                "p95_ms": 40, "on_miss": "refuse"}`: the fields of `gnomon.v1.ServiceObjective`.
            parameters: what is set otherwise than in the recipe, such as
                `epochs=3`: the fields of `gnomon.v1.TrainingParameters`.

        Raises:
            DatasetTooSmallError: there are fewer rows than a run, or a guarantee it asks for, needs.
            DatasetUnsuitableError: the sets do not fit each other or the metric.
            BaseModelMissingError: the recipe's base model is not at hand.
            TrainingSetWorkStoppedError: the labelling or generation failed or was cancelled; resume it.
            TrainingSetWorkUnsuitableError: the labelling validates, and makes no dataset.
        """
        run = wanted_run(
            parameters,
            metric=metric,
            test_set=test_set,
            training_set=training_set,
            labelling=labelling,
            generation=generation,
            recipe=recipe,
            display_name=display_name,
            allow_small=allow_small,
            slice_columns=slice_columns,
            judge_column=judge_column,
            service_objective=service_objective,
        )
        return self._create(shorthand.project(project), run, run_id)

    def validate(self, project: str, *, run_id: str | None = None, **wanted: Any) -> pb.Run:
        """Make all checks of `create`, which takes the same arguments, and create nothing.

        The training set may be left out, to ask before anything is paid for making it: all else is
        checked then.

        Returns:
            the run that would be created.
        """
        options = {key: wanted.pop(key) for key in RUN_OPTIONS & set(wanted)}
        request = trainer.CreateRunRequest(
            parent=shorthand.project(project),
            run_id=run_id or "",
            run=wanted_run(wanted, **options),
            validate_only=True,
        )
        method = f"{_SERVICE}/CreateRun"
        return _run_of(self._trainer.unary(method, request, operations_pb2.Operation))

    def get(self, name: str) -> pb.Run:
        request = trainer.GetRunRequest(name=shorthand.run(name))
        return self._trainer.unary(f"{_SERVICE}/GetRun", request, pb.Run)

    def list(self, project: str | None = None) -> Iterator[pb.Run]:
        """Yield the runs of a project, or of all, newest first."""
        parent = "projects/-" if project is None else shorthand.project(project)
        request, response = trainer.ListRunsRequest(parent=parent), trainer.ListRunsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListRuns", request, response):
            yield from page.runs

    def rename(self, name: str, display_name: str) -> pb.Run:
        """Give a run another name for people."""
        run = pb.Run(name=shorthand.run(name), display_name=display_name)
        request = trainer.UpdateRunRequest(run=run, update_mask=field_mask(["display_name"]))
        return self._trainer.unary(f"{_SERVICE}/UpdateRun", request, pb.Run)

    def cancel(self, name: str) -> None:
        """Ask a run to stop, in whatever state it is, with the work that it waits for. It can be resumed.

        One whose version is being registered may be past stopping, and ends REGISTERED.
        """
        run = self.get(name)
        request = operations_pb2.CancelOperationRequest(name=run.operation)
        method = "google.longrunning.Operations/CancelOperation"
        self._trainer.unary(method, request, empty_pb2.Empty)

    def resume(self, name: str) -> Operation:
        """Queue a run that failed, was cancelled, or could not be registered; it goes on where it was.

        If it has no training set yet, the labelling or generation that makes it goes on first.

        Raises:
            RunStateError: it has not ended, or is registered.
            WorkStateError: that labelling or generation is still being cancelled.
        """
        request = trainer.ResumeRunRequest(name=shorthand.run(name))
        method = f"{_SERVICE}/ResumeRun"
        operation = self._trainer.unary(method, request, operations_pb2.Operation, repeated_is=RunStateError)
        if not operation.name:  # an attempt before went through, though its answer was lost
            return Operation(self, request.name)
        return self._operation(operation)

    def retry(self, name: str, *, run_id: str | None = None) -> Operation:
        """Queue a new run with the metric, sets, recipe and parameters of another, from the start."""
        old = self.get(name)
        return self._create(old.name.partition("/runs/")[0], wanted_again(old), run_id)

    def watch(
        self, name: str, after_step: int = 0, *, timeout_s: float | None = None
    ) -> Generator[trainer.WatchRunResponse, None, None]:
        """Follow a run to its end, over restarts of the trainer.

        Yields the run now, at every change and at its end, with the points of
        its curves after `after_step`, each once.
        """
        limit = Attempts(timeout_s)
        attempts = Attempts(self._trainer.timeout_s)
        request = trainer.WatchRunRequest(name=shorthand.run(name), after_step=after_step)
        while True:
            try:
                with closing(self._watch_once(request, limit.remaining_s())) as events:
                    for event in events:
                        attempts.restart()
                        request.after_step = max([request.after_step, *(p.step for p in event.points)])
                        yield event
                        if has_ended(event.run):
                            return
                failure: GnomonError = ServiceUnavailableError(
                    "The trainer ended the stream before the run's end."
                )
            except GnomonError as error:
                failure = error
            if not attempts.failures:
                attempts.restart()  # a run may have been silent for hours: the time runs from the outage on
            sleep(attempts.delay_after(failure))

    def predictions(self, name: str) -> Iterator[pb.Prediction]:
        """Yield what a run's evaluator said of its test set, row by row."""
        request = trainer.ListPredictionsRequest(parent=shorthand.run(name))
        response = trainer.ListPredictionsResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListPredictions", request, response):
            yield from page.predictions

    def compare(self, first: str, second: str) -> trainer.CompareRunsResponse:
        """Compare two runs row by row on the test set that both were measured on.

        Differences are first less second, each with the 95 % interval of a
        paired bootstrap: one that holds 0 may be chance.

        Raises:
            RunsNotComparableError: their metrics, or the rows of their test sets, differ.
            RunStateError: one has no evaluator yet.
        """
        request = trainer.CompareRunsRequest(first_run=shorthand.run(first), second_run=shorthand.run(second))
        return self._trainer.unary(f"{_SERVICE}/CompareRuns", request, trainer.CompareRunsResponse)

    def _watch_once(
        self, request: trainer.WatchRunRequest, timeout_s: float | None
    ) -> Generator[trainer.WatchRunResponse, None, None]:
        method, response = f"{_SERVICE}/WatchRun", trainer.WatchRunResponse
        return self._trainer.stream(method, request, response, timeout_s=timeout_s)

    def _create(self, parent: str, run: pb.Run, run_id: str | None) -> Operation:
        request = trainer.CreateRunRequest(
            parent=parent, run_id=run_id or "", run=run, request_id=new_request_id()
        )
        method = f"{_SERVICE}/CreateRun"
        return self._operation(self._trainer.unary(method, request, operations_pb2.Operation))

    def _operation(self, operation: operations_pb2.Operation) -> Operation:
        return Operation(self, _run_of(operation).name)


def _run_of(operation: operations_pb2.Operation) -> pb.Run:
    run = pb.Run()
    if not operation.metadata.Unpack(run):
        raise InternalError("The trainer's operation does not tell its run; see the trainer's log.")
    return run
