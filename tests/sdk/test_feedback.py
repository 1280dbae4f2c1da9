"""`client.feedback`, of both clients, against services that a test scripts."""

import json
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2

from gnomon import errors, feedback
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from gnomon.v1 import trainer_service_pb2 as trainer
from tests.sdk.serving import connected, serving

OLD, NEW = (f"metrics/commitment/versions/{n}" for n in (1, 2))
SCORE = pb.Score(
    metric_version=OLD,
    label="false",
    classes=[pb.Score.ClassScore(label="false", probability=0.75), pb.Score.ClassScore(label="true")],
)
TEXT = {"input": "Refund?", "output": "Tomorrow."}


class Trained:
    """Services in which version 2 learned from feedback; it gets `fixed` of 10 corrected rows right."""

    def __init__(self, fixed: int) -> None:
        self.fixed = fixed
        self.asked: Any = None
        name = "metrics/commitment/aliases/production"
        self.alias: pb.Alias | None = pb.Alias(name=name, metric_version=OLD, etag="e1")
        self.moved: list[Any] = []
        self.run = pb.Run(
            name="projects/p/runs/second",
            metric="metrics/commitment",
            state=pb.Run.REGISTERED,
            metric_version=NEW,
            feedback_origin=pb.FeedbackOrigin(
                metric_version=OLD, run="projects/p/runs/first", held_out_set="datasets/held-out@1"
            ),
        )

    def methods(self) -> dict[str, Any]:
        names = (
            "TrainFromFeedback", "GetRun", "WatchRun", "CompareRuns", "GetDataset", "DownloadDataset",
            "GetMetric", "Score", "GetAlias", "SetAlias",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    async def TrainFromFeedback(self, request: Any, context: Any) -> Any:
        self.asked = request
        operation = operations_pb2.Operation(name="operations/r1")
        operation.metadata.Pack(self.run)
        return operation

    async def GetRun(self, request: Any, context: Any) -> Any:
        return self.run

    async def WatchRun(self, request: Any, context: Any) -> Any:
        yield trainer.WatchRunResponse(run=self.run)

    async def CompareRuns(self, request: Any, context: Any) -> Any:
        assert (request.first_run, request.second_run) == ("projects/p/runs/second", "projects/p/runs/first")
        difference = pb.Measure(key="macro_f1", value=0.01, low=-0.01, high=0.03)
        pair = trainer.MeasurePair(key="macro_f1", first=0.81, second=0.8, difference=difference)
        return trainer.CompareRunsResponse(measures=[pair], comparison=pb.PairedComparison(rows=200))

    async def GetDataset(self, request: Any, context: Any) -> Any:
        return pb.Dataset(name="datasets/held-out", version=1)

    async def DownloadDataset(self, request: Any, context: Any) -> Any:
        rows = [TEXT | {"input": str(n), "label": "true", "score_label": "false"} for n in range(10)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        yield trainer.DownloadDatasetResponse(content=content)

    async def GetMetric(self, request: Any, context: Any) -> Any:
        return pb.Metric(name="metrics/commitment", step=pb.Metric.LLM_SPAN)

    async def Score(self, request: Any, context: Any) -> Any:
        def said(version: str, n: int) -> scorer.ScoreOutcome:
            label = "true" if version == NEW and n < self.fixed else "false"
            return scorer.ScoreOutcome(score=pb.Score(metric_version=version, label=label))

        texts = [int(instance.span.input[0].content) for instance in request.instances]
        return scorer.ScoreResponse(
            results=[
                scorer.InstanceResult(outcomes=[said(v, n) for v in request.metric_versions]) for n in texts
            ]
        )

    async def GetAlias(self, request: Any, context: Any) -> Any:
        if self.alias is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is none.")
        return self.alias

    async def SetAlias(self, request: Any, context: Any) -> Any:
        self.moved.append(request)
        return request.alias


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_score_tells_its_version_label_and_probability_by_itself(kind: str) -> None:
    recorded: list[pb.Feedback] = []

    async def record(request: Any, context: Any) -> Any:
        recorded.extend(request.entries)
        outcomes = [trainer.FeedbackOutcome(feedback=entry) for entry in request.entries]
        return trainer.RecordFeedbackResponse(outcomes=outcomes)

    async with serving(RecordFeedback=record) as address, connected(kind, address) as client:
        when = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
        await client.feedback.record(SCORE, **TEXT, label=True, reviewer="ann", review_time=when)
        await client.feedback.record("commitment@3", **TEXT, label="false", score_label="true")
        with pytest.raises(errors.InvalidRequestError, match="time zone"):
            await client.feedback.record(SCORE, **TEXT, label=True, review_time=when.replace(tzinfo=None))

    first, second = recorded
    assert (first.metric_version, first.label, first.score_label) == (OLD, "true", "false")
    assert (first.score_probability, first.reviewer) == (0.75, "ann")
    assert first.review_time.ToDatetime(UTC) == when
    assert (second.metric_version[-1], second.score_label) == ("3", "true")
    assert not second.HasField("score_probability")


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_many_entries_go_in_several_requests_and_come_back_in_their_order(kind: str) -> None:
    sizes = []

    async def record(request: Any, context: Any) -> Any:
        sizes.append(len(request.entries))
        error = to_status(errors.InvalidRequestError("No label."))
        return trainer.RecordFeedbackResponse(
            outcomes=[
                trainer.FeedbackOutcome(feedback=e)
                if e.label == "true"
                else trainer.FeedbackOutcome(error=error)
                for e in request.entries
            ]
        )

    entries = [
        feedback.entry(OLD, TEXT, label="true" if n % 7 else "no", external_id=str(n)) for n in range(600)
    ]
    async with serving(RecordFeedback=record) as address, connected(kind, address) as client:
        outcomes = await client.feedback.record_many(entries)

    assert sizes == [256, 256, 88]
    for n, outcome in enumerate(outcomes):
        if n % 7:
            assert outcome.external_id == str(n)
        else:
            assert isinstance(outcome, errors.InvalidRequestError)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_one_call_trains_compares_and_moves_the_alias_to_what_is_better(kind: str) -> None:
    services = Trained(fixed=9)
    async with serving(**services.methods()) as address, connected(kind, address) as client:
        found = await client.feedback.train("commitment", promote="production")

    assert services.asked.metric_version == "metrics/commitment/versions/production"
    assert (found.feedback.rows, found.feedback.old_right, found.feedback.new_right) == (10, 0, 9)
    (moved,) = services.moved
    assert (moved.alias.metric_version, moved.alias.etag, moved.must_be_new) == (NEW, "e1", False)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_version_that_is_loaded_only_after_its_run_is_waited_for(kind: str) -> None:
    class Loading(Trained):
        loads = 3

        async def Score(self, request: Any, context: Any) -> Any:
            self.loads -= 1
            response = await super().Score(request, context)
            error = to_status(errors.VersionLoadingError("Being loaded.", retry_after_s=0.01))
            for result in response.results if self.loads >= 0 else ():
                result.outcomes[-1].error.CopyFrom(error)  # the new version's
            return response

    services = Loading(fixed=9)
    async with serving(**services.methods()) as address, connected(kind, address) as client:
        found = await client.feedback.train("commitment", promote="production")

    assert services.loads < 0
    assert found.feedback.new_right == 9


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_alias_that_was_not_there_is_not_taken_from_who_made_it_meanwhile(kind: str) -> None:
    services = Trained(fixed=9)
    services.alias = None
    async with serving(**services.methods()) as address, connected(kind, address) as client:
        await client.feedback.train("commitment", version=1, promote="production")

    (made,) = services.moved
    assert (made.alias.metric_version, made.must_be_new) == (NEW, True)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_is_not_shown_to_be_better_takes_no_alias_and_tells_the_figures(kind: str) -> None:
    services = Trained(fixed=0)
    async with serving(**services.methods()) as address, connected(kind, address) as client:
        with pytest.raises(errors.VersionNotBetterError, match=r"0\.800 → 0\.810"):
            await client.feedback.train("commitment", version=1, promote="production")
        found = await client.feedback.train("commitment", version=1)

    assert services.asked.metric_version == OLD
    assert (found.verdict, services.moved) == ("even", [])
