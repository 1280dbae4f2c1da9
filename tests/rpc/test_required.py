import pytest

from gnomon import errors
from gnomon.v1 import registry_service_pb2 as pb
from gnomon.v1 import resources_pb2, scorer_service_pb2
from gnomon_rpc.required import check_required
from tests.rpc.serving import refused, serving


async def test_a_missing_field_is_named_and_the_handler_is_not_called():
    async def create(request, context):
        raise AssertionError("called")

    request = pb.CreateMetricRequest(metric=resources_pb2.Metric(output_type="BOOLEAN"))
    async with serving(CreateMetric=create) as stub:
        _, error = await refused(stub.CreateMetric(request))

    assert type(error) is errors.InvalidRequestError
    fields = [violation.field for violation in error.violations]
    assert fields == ["metric_id", "metric.step", "metric.input_shape"]


async def test_every_message_of_an_upload_is_checked():
    async def upload(requests, context):
        return pb.UploadBlobResponse(sha256=str(len([request async for request in requests])))

    async with serving(UploadBlob=upload) as stub:
        answer = await stub.UploadBlob(iter([pb.UploadBlobRequest(sha256="a"), pb.UploadBlobRequest()]))

    assert answer.sha256 == "2"


def test_a_required_field_deep_inside_a_list_is_named_with_its_index():
    classes = [{"label": "a"}, {"rubric": "no label"}]
    metric = resources_pb2.Metric(
        output_type="CATEGORICAL", step="LLM_SPAN", input_shape="INPUT", classes=classes
    )

    with pytest.raises(errors.InvalidRequestError) as caught:
        check_required(pb.CreateMetricRequest(metric_id="m", metric=metric))

    assert [violation.field for violation in caught.value.violations] == ["metric.classes[1].label"]


def test_what_the_server_sets_is_not_asked_of_the_caller():
    bundle = {"files": [{"path": "a", "sha256": "b"}]}
    version = resources_pb2.MetricVersion(bundle=bundle, artifacts=[resources_pb2.Artifact()])

    check_required(pb.CreateMetricVersionRequest(parent="metrics/m", metric_version=version))


def test_fields_whose_items_fail_one_by_one_are_left_to_the_handler():
    broken = resources_pb2.Instance(trace=resources_pb2.Trace())
    request = scorer_service_pb2.ScoreRequest(metric_versions=["metrics/m/versions/1"], instances=[broken])

    check_required(request, frozenset({"instances"}))
    with pytest.raises(errors.InvalidRequestError):
        check_required(request)


def test_a_request_with_thousands_of_gaps_names_only_the_first_ones():
    instances = [resources_pb2.Instance(trace=resources_pb2.Trace())] * 1000
    request = scorer_service_pb2.ScoreRequest(metric_versions=["m"], instances=instances)

    with pytest.raises(errors.InvalidRequestError) as caught:
        check_required(request)

    assert len(caught.value.violations) == 20


def test_an_update_needs_only_the_fields_that_its_mask_names():
    metric = resources_pb2.Metric(name="metrics/m", display_name="New")

    check_required(pb.UpdateMetricRequest(metric=metric, update_mask={"paths": ["display_name"]}))
    with pytest.raises(errors.InvalidRequestError):
        check_required(pb.UpdateMetricRequest(update_mask={"paths": ["display_name"]}))
