"""Runs that are created, refused, listed, renamed and cancelled; no worker is there."""

import uuid
from typing import Any

import pytest
from google.longrunning import operations_pb2
from google.protobuf import duration_pb2, field_mask_pb2

from gnomon.errors import (
    AlreadyExistsError,
    BaseModelMissingError,
    DatasetTooSmallError,
    DatasetUnsuitableError,
    EtagMismatchError,
    GnomonError,
    InvalidRequestError,
    NotFoundError,
    RegistryUnavailableError,
    RequestIdReusedError,
    RunStateError,
    UnimplementedError,
)
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.running import (
    State,
    Trainer,
    codes,
    jsonl,
    labelled_rows,
    refused,
    run_of,
    run_request,
    two_sets,
)


async def refuse(trainer: Trainer, **fields: Any) -> GnomonError:
    """Return the error of a run that must not be created, having checked that it was not."""
    error = await refused(trainer.stub.CreateRun(run_request(**fields)))
    listed = await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-"))
    assert not listed.runs
    return error


# ------------------------------------------------------------------ creating


async def test_a_run_records_every_parameter_and_where_it_came_from(trainer: Trainer) -> None:
    await two_sets(trainer)

    run = await trainer.create_run(parameters={"epochs": 9, "seed": 0}, display_name="First try")

    assert run.state == State.QUEUED
    assert run.display_name == "First try"
    resolved = {p.key: (p.value, p.origin) for p in run.resolved_parameters}
    assert resolved["epochs"] == ("9", "request")
    assert resolved["seed"] == ("0", "request")
    assert resolved["learning_rate"] == ("0.0001", "recipe")
    assert len(resolved) == len(resources.TrainingParameters.DESCRIPTOR.fields)
    assert run.parameters == resources.TrainingParameters(epochs=9, seed=0)


async def test_a_batch_is_no_larger_than_what_is_learned_from(trainer: Trainer) -> None:
    await two_sets(trainer, training=20, test=10)

    run = await trainer.create_run(allow_small=True)

    assert {p.key: (p.value, p.origin) for p in run.resolved_parameters}["batch_size"] == ("16", "data")


async def test_a_run_without_an_id_gets_one(trainer: Trainer) -> None:
    await two_sets(trainer)

    first, second = await trainer.create_run(run_id=""), await trainer.create_run(run_id="")

    assert first.name != second.name
    assert (await trainer.run(first.name)).operation == first.operation


async def test_a_request_id_creates_one_run(trainer: Trainer) -> None:
    await two_sets(trainer)
    request = run_request(request_id=str(uuid.uuid4()))
    first = await trainer.stub.CreateRun(request)
    await trainer.registry.stop()

    again = await trainer.stub.CreateRun(request)
    request.run.parameters.epochs = 3
    other = await refused(trainer.stub.CreateRun(request))

    assert run_of(again) == run_of(first)
    assert isinstance(other, RequestIdReusedError)


async def test_a_run_id_is_taken_once(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.create_run()

    error = await refused(trainer.stub.CreateRun(run_request()))
    elsewhere = await trainer.create_run(parent="projects/other")

    assert isinstance(error, AlreadyExistsError)
    assert elsewhere.name == "projects/other/runs/first"


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"parent": "projects/absent"}, NotFoundError, "projects/absent"),
        ({"parent": "projects/../etc"}, InvalidRequestError, "parent"),
        ({"run_id": "a/b"}, InvalidRequestError, "run_id"),
        ({"metric": "metrics/absent"}, NotFoundError, "metrics/absent"),
        ({"metric": "metrics/a\0"}, InvalidRequestError, "run.metric"),
        ({"metric": "metrics/topic"}, DatasetUnsuitableError, "metrics/toxicity"),
        ({"training_set": "datasets/absent"}, NotFoundError, "datasets/absent"),
        ({"training_set": "datasets/train@7"}, NotFoundError, "datasets/train@7"),
        ({"test_set": "datasets/train"}, DatasetUnsuitableError, "same rows"),
        ({"recipe": "recipes/huge"}, NotFoundError, "small"),
        ({"recipe": "recipes/absent"}, BaseModelMissingError, "hf download nobody/nothing"),
        ({"parameters": {"epochs": 0}}, InvalidRequestError, "run.parameters.epochs"),
        ({"parameters": {"learning_rate": float("nan")}}, InvalidRequestError, "learning_rate"),
        ({"parameters": {"validation_share": 0.6}}, InvalidRequestError, "[0.05, 0.5]"),
        ({"parameters": {"seed": -1}}, InvalidRequestError, "seed"),
        ({"display_name": "x" * 64}, InvalidRequestError, "display_name"),
        ({"request_id": "17"}, InvalidRequestError, "request_id"),
        ({"test_set": ""}, InvalidRequestError, "run.test_set"),
    ],
)
async def test_what_is_wrong_with_a_run_is_said_before_it_is_queued(
    trainer: Trainer, fields: dict[str, Any], kind: type[GnomonError], said: str
) -> None:
    await two_sets(trainer)

    error = await refuse(trainer, **fields)

    assert isinstance(error, kind)
    assert said in error.message


async def test_a_run_says_when_the_registry_is_away(trainer: Trainer) -> None:
    await two_sets(trainer)
    await trainer.registry.stop()

    error = await refuse(trainer)

    assert isinstance(error, RegistryUnavailableError)
    assert error.retry_after_s is not None


async def test_too_few_rows_are_refused_with_the_numbers(trainer: Trainer) -> None:
    await two_sets(trainer, training=255, test=149)
    small_training = await refuse(trainer)
    await trainer.upload(jsonl(labelled_rows(256)), dataset_id="train")
    small_test = await refuse(trainer)

    assert isinstance(small_training, DatasetTooSmallError)
    assert small_training.metadata == {
        "resource": "datasets/train@1",
        "row_count": "255",
        "required_row_count": "256",
    }
    assert isinstance(small_test, DatasetTooSmallError)
    assert "149" in small_test.message
    assert "allow_small" in small_test.message


async def test_too_few_rows_can_be_allowed_and_are_then_found(trainer: Trainer) -> None:
    await two_sets(trainer, training=40, test=20)

    run = await trainer.create_run(allow_small=True)

    assert run.allow_small
    assert codes(run.findings) == ["SMALL_TEST_SET", "SMALL_TRAINING_SET", "FEW_CLASS_ROWS"]


async def test_what_cannot_be_trained_is_refused_whatever_is_allowed(trainer: Trainer) -> None:
    await two_sets(trainer, training=15, test=20)
    few = await refuse(trainer, allow_small=True)
    rows = [row | {"label": n == 0} for n, row in enumerate(labelled_rows(40))]
    await trainer.upload(jsonl(rows), dataset_id="train")
    lonely = await refuse(trainer, allow_small=True)

    assert isinstance(few, DatasetTooSmallError)
    assert isinstance(lonely, DatasetTooSmallError)
    assert "1 row of class 'true'" in lonely.message
    assert "2 are the least, and 4 for one of them to be held out" in lonely.message


@pytest.mark.parametrize("which", ["train", "test"])
async def test_one_class_only_is_refused(trainer: Trainer, which: str) -> None:
    await two_sets(trainer)
    rows = [row | {"label": True} for row in labelled_rows(300, start=500_000)]
    await trainer.upload(jsonl(rows), dataset_id=which)

    error = await refuse(trainer)

    assert isinstance(error, DatasetUnsuitableError)
    assert f"datasets/{which}@2 holds only rows labelled 'true'" in error.message


async def test_rows_of_the_test_set_leave_the_training_set(trainer: Trainer) -> None:
    test = labelled_rows(160, start=1000)
    copied = test[:10]
    shouted = [row | {"output": f"{row['output'].upper()}!!"} for row in test[10:16]]
    contradicting = [row | {"label": not row["label"]} for row in test[16:20]]
    training = [*labelled_rows(300), *copied, *shouted, *contradicting]
    await trainer.upload(jsonl(training), dataset_id="train")
    await trainer.upload(jsonl(test), dataset_id="test")

    run = await trainer.create_run()

    counts = {finding.code: finding.row_count for finding in run.findings}
    assert counts == {"OVERLAP_EXACT": 14, "OVERLAP_NORMALISED": 6, "OVERLAP_CONFLICTING_LABELS": 4}
    assert list(run.findings[1].rows) == [311, 312, 313, 314, 315, 316]


async def test_a_training_set_that_is_mostly_test_rows_is_too_small(trainer: Trainer) -> None:
    test = labelled_rows(200, start=1000)
    await trainer.upload(jsonl([*labelled_rows(200), *test]), dataset_id="train")
    await trainer.upload(jsonl(test), dataset_id="test")

    error = await refuse(trainer)

    assert isinstance(error, DatasetTooSmallError)
    assert "has 200 rows to use, 200 overlapping ones not counted" in error.message


async def test_conflicting_labels_of_a_set_are_repeated_by_the_run(trainer: Trainer) -> None:
    await two_sets(trainer)
    rows = labelled_rows(300)
    await trainer.upload(jsonl([*rows, rows[0] | {"label": False}]), dataset_id="train")

    run = await trainer.create_run()

    assert codes(run.findings) == ["CONFLICTING_LABELS"]
    assert "datasets/train@2" in run.findings[0].message


# ------------------------------------------------------------ reading, changing


async def test_a_class_that_no_row_has_may_be_declared_no_longer(trainer: Trainer) -> None:
    rows = [{"input": f"question {n}", "label": ("billing", "delivery")[n % 2]} for n in range(460)]
    for dataset, part in (("train", rows[:300]), ("test", rows[300:])):
        await trainer.upload(jsonl(part), dataset_id=dataset, metric="metrics/topic")
    without_other = resources.Metric()
    without_other.CopyFrom(trainer.registry.metrics["metrics/topic"])
    del without_other.classes[2:]
    trainer.registry.metrics["metrics/topic"] = without_other

    run = await trainer.create_run(metric="metrics/topic")

    assert run.state == resources.Run.QUEUED


async def test_runs_are_listed_newest_first_in_pages(trainer: Trainer) -> None:
    await two_sets(trainer)
    for run_id in ("a", "b", "c"):
        await trainer.create_run(run_id=run_id)
    await trainer.create_run(parent="projects/other", run_id="d")

    first = await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/demo", page_size=2))
    second = await trainer.stub.ListRuns(
        pb.ListRunsRequest(parent="projects/demo", page_size=2, page_token=first.next_page_token)
    )
    everything = await trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-"))
    foreign_token = await refused(
        trainer.stub.ListRuns(pb.ListRunsRequest(parent="projects/-", page_token=first.next_page_token))
    )

    assert [run.name[-1] for run in (*first.runs, *second.runs)] == ["c", "b", "a"]
    assert not second.next_page_token
    assert [run.name[-1] for run in everything.runs] == ["d", "c", "b", "a"]
    assert isinstance(foreign_token, InvalidRequestError)


async def test_a_run_can_be_renamed(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()
    mask = field_mask_pb2.FieldMask(paths=["display_name"])

    renamed = await trainer.stub.UpdateRun(
        pb.UpdateRunRequest(
            run=resources.Run(name=run.name, display_name="Second", etag=run.etag), update_mask=mask
        )
    )
    late = await refused(
        trainer.stub.UpdateRun(
            pb.UpdateRunRequest(run=resources.Run(name=run.name, display_name="Third", etag=run.etag))
        )
    )
    other_field = await refused(
        trainer.stub.UpdateRun(
            pb.UpdateRunRequest(
                run=resources.Run(name=run.name), update_mask=field_mask_pb2.FieldMask(paths=["metric"])
            )
        )
    )

    assert renamed.display_name == "Second"
    assert isinstance(late, EtagMismatchError)
    assert isinstance(other_field, InvalidRequestError)


async def test_what_is_not_there_is_not_found(trainer: Trainer) -> None:
    name = "projects/demo/runs/absent"
    for call in (
        trainer.stub.GetRun(pb.GetRunRequest(name=name)),
        trainer.stub.ResumeRun(pb.ResumeRunRequest(name=name)),
        trainer.stub.ListPredictions(pb.ListPredictionsRequest(parent=name)),
        trainer.stub.WatchRun(pb.WatchRunRequest(name=name)).read(),
        trainer.operations.GetOperation(operations_pb2.GetOperationRequest(name="operations/absent")),
        trainer.operations.CancelOperation(operations_pb2.CancelOperationRequest(name="operations/absent")),
    ):
        assert isinstance(await refused(call), NotFoundError)


async def test_a_queued_run_is_cancelled_at_once_and_can_be_resumed(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()

    running = await refused(trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name)))
    await trainer.cancel(run)
    await trainer.cancel(run)  # twice is no error
    cancelled = await trainer.run()
    operation = await trainer.operations.GetOperation(operations_pb2.GetOperationRequest(name=run.operation))
    resumed = run_of(await trainer.stub.ResumeRun(pb.ResumeRunRequest(name=run.name)))

    assert isinstance(running, RunStateError)
    assert running.metadata["state"] == "QUEUED"
    assert cancelled.state == State.CANCELLED
    assert operation.done
    assert operation.error.code == 1
    assert resumed.state == State.QUEUED
    assert not resumed.HasField("error")


async def test_a_watch_follows_a_run_to_its_end(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()

    seen = []
    async for response in trainer.stub.WatchRun(pb.WatchRunRequest(name=run.name)):
        seen.append(response.run.state)
        if len(seen) == 1:
            await trainer.cancel(run)

    assert seen == [State.QUEUED, State.CANCELLED]


async def test_operations_are_views_of_runs(trainer: Trainer) -> None:
    await two_sets(trainer)
    runs = [await trainer.create_run(run_id=run_id) for run_id in ("a", "b", "c")]

    page = await trainer.operations.ListOperations(operations_pb2.ListOperationsRequest(page_size=2))
    rest = await trainer.operations.ListOperations(
        operations_pb2.ListOperationsRequest(page_size=2, page_token=page.next_page_token)
    )
    waited = await trainer.operations.WaitOperation(
        operations_pb2.WaitOperationRequest(
            name=runs[0].operation, timeout=duration_pb2.Duration(nanos=50_000_000)
        )
    )
    deleted = await refused(
        trainer.operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=runs[0].operation))
    )

    assert [run_of(o).name[-1] for o in (*page.operations, *rest.operations)] == ["c", "b", "a"]
    assert not waited.done
    assert isinstance(deleted, UnimplementedError)


async def test_predictions_come_with_the_evaluator(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()

    error = await refused(trainer.stub.ListPredictions(pb.ListPredictionsRequest(parent=run.name)))

    assert isinstance(error, RunStateError)


async def test_recipes_tell_whether_they_can_be_used(trainer: Trainer) -> None:
    listed = await trainer.stub.ListRecipes(pb.ListRecipesRequest())

    recipes = {recipe.name: recipe for recipe in listed.recipes}
    assert set(recipes) > {"recipes/absent", "recipes/auto", "recipes/few", "recipes/quick", "recipes/small"}
    assert list(recipes) == sorted(recipes)
    assert recipes["recipes/quick"].available
    assert recipes["recipes/quick"].parameters.epochs == 4
    assert not recipes["recipes/absent"].available
    assert "hf download" in recipes["recipes/absent"].unavailable_reason
    assert "gnomon base-models add all-mpnet-base-v2" in recipes["recipes/base"].unavailable_reason
