"""From upload to registered version, with a real worker process."""

from pathlib import Path

import pytest
from google.longrunning import operations_pb2

from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import pages
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, run_of, run_request, trainer_at, two_sets


async def test_labelled_rows_become_a_registered_version(tmp_path: Path, registry: FakeRegistry) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        operation = await trainer.stub.CreateRun(run_request())
        assert not operation.done
        assert run_of(operation).state in (State.QUEUED, State.TRAINING)

        run = await trainer.until(State.REGISTERED)

        assert run.metric_version == "metrics/toxicity/versions/1"
        assert (run.training_set, run.test_set) == ("datasets/train@1", "datasets/test@1")
        assert run.attempts == 1
        assert run.report.test_rows == 160
        assert run.progress.step == run.progress.total_steps == 4
        assert run.progress.latest.validation_macro_f1 == 1.0
        assert run.start_time.ToNanoseconds() <= run.end_time.ToNanoseconds()
        assert not run.HasField("error")
        done = await trainer.operations.GetOperation(operations_pb2.GetOperationRequest(name=operation.name))
        response = resources.Run()
        assert done.done
        assert done.response.Unpack(response)
        assert response.metric_version == run.metric_version
        assert len(registry.versions) == 1


async def test_predictions_come_in_pages_beside_what_people_said(
    tmp_path: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.stub.CreateRun(run_request())
        run = await trainer.until(State.REGISTERED)

        request = pb.ListPredictionsRequest(parent=run.name, page_size=100)
        first = await trainer.stub.ListPredictions(request)
        request.page_token = first.next_page_token
        second = await trainer.stub.ListPredictions(request)

        assert [p.row for p in (*first.predictions, *second.predictions)] == list(range(1, 161))
        assert not second.next_page_token
        prediction = first.predictions[1]
        assert prediction.true_label == "false"
        assert prediction.instance.span.output[0].content == "answer 100001"
        assert [c.label for c in prediction.score.classes] == ["false", "true"]
        assert prediction.score.threshold == 0.25
        assert prediction.score.token_count == 7

        monkeypatch.setattr(pages, "PAGE_BYTES", 10 * prediction.ByteSize())
        small = await trainer.stub.ListPredictions(request)
        assert 5 < len(small.predictions) < 15
        assert small.next_page_token
