import uuid

import pytest

from gnomon.errors import (
    AlreadyExistsError,
    EtagMismatchError,
    InvalidRequestError,
    NotFoundError,
    RequestIdReusedError,
    ResourceInUseError,
)
from gnomon.v1 import registry_service_pb2 as rpc
from gnomon.v1.resources_pb2 import Metric
from tests.registry.running import error_of

LABELS = [Metric.LabelClass(label="calm"), Metric.LabelClass(label="angry", rubric="shouts", flagged=True)]


def get(caller, name="metrics/tox"):
    return caller.GetMetric(rpc.GetMetricRequest(name=name))


async def update(caller, paths=(), **fields):
    request = rpc.UpdateMetricRequest(metric=Metric(name="metrics/tox", **fields))
    request.update_mask.paths.extend(paths)
    return await caller.UpdateMetric(request)


def delete(caller, name="metrics/tox"):
    return caller.DeleteMetric(rpc.DeleteMetricRequest(name=name))


async def test_a_boolean_metric_comes_with_its_classes(caller):
    metric = await get(caller)

    assert [(c.label, c.flagged) for c in metric.classes] == [("false", False), ("true", True)]


async def test_a_categorical_metric_is_kept_as_it_was_given(caller):
    made = await caller.metric(
        "tone",
        output_type="CATEGORICAL",
        classes=LABELS,
        step="SESSION",
        input_shape="WHOLE_SESSION",
        display_name="Tone",
        description="How it sounds",
        judge_prompt="How does it sound?",
        preset="tone@2",
    )

    assert list(made.classes) == LABELS
    assert (made.name, made.display_name, made.judge_prompt) == ("metrics/tone", "Tone", "How does it sound?")
    assert await get(caller, "metrics/tone") == made


async def test_a_taken_id_is_refused(caller):
    assert isinstance(await error_of(caller.metric("tox")), AlreadyExistsError)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"output_type": 0}, "metric.output_type"),
        ({"output_type": 9}, "metric.output_type"),
        ({"step": 0}, "metric.step"),
        ({"step": 99}, "metric.step"),
        ({"input_shape": 0}, "metric.input_shape"),
        ({"input_shape": 99}, "metric.input_shape"),
        ({"input_shape": "WHOLE_TRACE"}, "metric.input_shape"),
        ({"output_type": "CATEGORICAL"}, "metric.classes"),
        ({"output_type": "CATEGORICAL", "classes": [*LABELS, LABELS[0]]}, "metric.classes[2].label"),
        ({"classes": LABELS}, "metric.classes"),
        ({"classes": [Metric.LabelClass(rubric="no label")]}, "metric.classes[0].label"),
        ({"display_name": "x" * 64}, "metric.display_name"),
        ({"judge_prompt": "a\0b"}, "metric.judge_prompt"),
        ({"preset": "tone"}, "metric.preset"),
        ({"preset": "tone@0"}, "metric.preset"),
        ({"preset": "Tone@1"}, "metric.preset"),
    ],
)
async def test_a_definition_that_breaks_a_rule_is_refused_by_field(caller, fields, field):
    error = await error_of(caller.metric("other", **fields))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == field
    assert isinstance(await error_of(get(caller, "metrics/other")), NotFoundError)


async def test_texts_can_be_updated_without_repeating_the_definition(caller):
    updated = await update(caller, display_name="Toxicity", judge_prompt="Is it toxic?")

    assert (updated.display_name, updated.judge_prompt) == ("Toxicity", "Is it toxic?")
    assert updated.output_type == Metric.BOOLEAN
    assert await get(caller) == updated


async def test_what_was_read_can_be_sent_back_changed(caller):
    metric = await get(caller)
    metric.description = "new"
    updated = await caller.UpdateMetric(rpc.UpdateMetricRequest(metric=metric))
    stale = await error_of(caller.UpdateMetric(rpc.UpdateMetricRequest(metric=metric)))

    assert updated.description == "new"
    assert isinstance(stale, EtagMismatchError)


async def test_where_a_metric_came_from_is_settled_when_it_is_created(caller):
    await caller.metric("tone", preset="tone@1")
    metric = await get(caller, "metrics/tone")
    metric.display_name = "Ours"
    assert (await caller.UpdateMetric(rpc.UpdateMetricRequest(metric=metric))).display_name == "Ours"

    metric.preset, metric.etag = "tone@2", ""
    error = await error_of(caller.UpdateMetric(rpc.UpdateMetricRequest(metric=metric)))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "metric.preset"


@pytest.mark.parametrize(
    "path", ["preset", "output_type", "classes", "classes.label", "step", "update_time", "name", "x"]
)
async def test_a_path_that_cannot_be_written_is_named(caller, path):
    error = await error_of(update(caller, [path], output_type="BOOLEAN"))

    assert isinstance(error, InvalidRequestError)
    assert repr(path) in error.message


@pytest.mark.parametrize("paths", [[], ["*"]])
async def test_another_definition_is_refused_and_not_ignored(caller, paths):
    error = await error_of(update(caller, paths, display_name="T", step="TOOL_SPAN"))

    assert isinstance(error, InvalidRequestError)
    assert error.violations[0].field == "metric.step"
    assert (await get(caller)).display_name == ""


async def test_a_star_clears_what_is_not_populated(caller):
    await update(caller, display_name="T", description="on t", judge_prompt="Is it?")
    updated = await update(caller, ["*"], description="new")

    assert (updated.display_name, updated.description, updated.judge_prompt) == ("", "new", "")


async def test_a_metric_without_versions_can_be_deleted_and_made_anew(caller):
    await delete(caller)
    assert isinstance(await error_of(get(caller)), NotFoundError)
    await caller.metric("tox", step="TOOL_SPAN")


async def test_a_metric_that_had_a_version_stays(caller):
    await caller.version()
    used = await error_of(delete(caller))
    await caller.DeleteMetricVersion(rpc.DeleteMetricVersionRequest(name="metrics/tox/versions/1"))
    used_by_deleted = await error_of(delete(caller))

    assert isinstance(used, ResourceInUseError)
    assert isinstance(used_by_deleted, ResourceInUseError)
    assert used.metadata == {"resource": "metrics/tox", "used_by": "metrics/tox/versions/1"}


async def test_pages_are_ordered_by_name(caller):
    for name in ("b", "a", "c"):
        await caller.metric(name)
    first = await caller.ListMetrics(rpc.ListMetricsRequest(page_size=3))
    second = await caller.ListMetrics(rpc.ListMetricsRequest(page_size=3, page_token=first.next_page_token))

    names = [metric.name for page in (first, second) for metric in page.metrics]
    assert names == ["metrics/a", "metrics/b", "metrics/c", "metrics/tox"]


async def test_a_page_token_of_another_list_is_refused(caller):
    await caller.metric("b")
    first = await caller.ListMetrics(rpc.ListMetricsRequest(page_size=1))
    error = await error_of(caller.ListProjects(rpc.ListProjectsRequest(page_token=first.next_page_token)))

    assert isinstance(error, InvalidRequestError)


async def test_the_same_request_gets_the_same_metric(caller):
    request = rpc.CreateMetricRequest(
        metric_id="twice",
        metric=Metric(output_type="BOOLEAN", step="LLM_SPAN", input_shape="INPUT"),
        request_id=str(uuid.uuid4()),
    )
    first, second = await caller.CreateMetric(request), await caller.CreateMetric(request)
    request.metric.step = Metric.TOOL_SPAN

    assert first == second
    assert isinstance(await error_of(caller.CreateMetric(request)), RequestIdReusedError)


async def test_the_request_of_a_metric_that_was_deleted_since_makes_no_second_one(caller):
    request = rpc.CreateMetricRequest(
        metric_id="twice",
        metric=Metric(output_type="BOOLEAN", step="LLM_SPAN", input_shape="INPUT"),
        request_id=str(uuid.uuid4()),
    )
    await caller.CreateMetric(request)
    await delete(caller, "metrics/twice")

    assert isinstance(await error_of(caller.CreateMetric(request)), NotFoundError)
