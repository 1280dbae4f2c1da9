"""Which calls are audited, and what is written down of them: asked of every method that there is."""

import pytest
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pool

from gnomon.v1 import (
    access_service_pb2,
    audit_service_pb2,
    generations_pb2,
    registry_service_pb2,
    resources_pb2,
    reviews_pb2,
    scorer_service_pb2,
    trainer_service_pb2,
    usage_service_pb2,
)
from gnomon_rpc.audit import CHANGES, READS, is_audited, verb_of
from gnomon_rpc.audit_resources import checked, resource_of_request, resource_of_response

OURS = (
    access_service_pb2,
    audit_service_pb2,
    registry_service_pb2,
    scorer_service_pb2,
    trainer_service_pb2,
    usage_service_pb2,
    operations_pb2,
)


def methods():
    for module in OURS:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}"


@pytest.mark.parametrize("method", list(methods()))
def test_every_method_is_known_as_one_that_reads_or_one_that_changes(method):
    verb = verb_of(method)

    assert (verb in READS) != (verb in CHANGES), (
        f"{method}: is it to be audited? Put {verb} into READS or CHANGES of gnomon_rpc/audit.py."
    )


def test_no_word_is_both_and_no_service_of_ours_is_left_out():
    pool = descriptor_pool.Default()
    served = {name.rpartition("/")[0].removeprefix("/") for name in methods()}

    assert READS.isdisjoint(CHANGES)
    for module in OURS:
        for service in module.DESCRIPTOR.services_by_name:
            assert pool.FindServiceByName(f"{module.DESCRIPTOR.package}.{service}").full_name in served


def test_a_method_that_nobody_knows_is_audited():
    assert is_audited("/gnomon.v1.RegistryService/FrobnicateMetric")
    assert is_audited("/gnomon.v1.RegistryService/odd")
    assert not is_audited("/gnomon.v1.RegistryService/GetMetric")
    assert not is_audited("/grpc.health.v1.Health/Check")
    assert not is_audited("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")


registry, trainer, access = registry_service_pb2, trainer_service_pb2, access_service_pb2
DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (registry.CreateMetricRequest(metric_id="tox"), "metrics/tox"),
        (registry.UpdateMetricRequest(metric=resources_pb2.Metric(name="metrics/tox")), "metrics/tox"),
        (registry.DeleteMetricRequest(name="metrics/tox"), "metrics/tox"),
        (registry.CreateProjectRequest(project_id="support"), "projects/support"),
        (registry.CreateMetricVersionRequest(parent="metrics/tox"), "metrics/tox"),
        (
            registry.SetAliasRequest(alias=resources_pb2.Alias(name="metrics/tox/aliases/production")),
            "metrics/tox/aliases/production",
        ),
        (registry.UploadBlobRequest(sha256=DIGEST, content=b"secret"), f"blobs/{DIGEST}"),
        (
            trainer.UploadDatasetRequest(header=trainer.UploadDatasetRequest.Header(dataset_id="answers")),
            "datasets/answers",
        ),
        (trainer.CreateRunRequest(parent="projects/support", run_id="first"), "projects/support/runs/first"),
        (trainer.CreateRunRequest(parent="projects/support"), "projects/support"),
        (
            reviews_pb2.CreateReviewRequest(parent="datasets/answers", review_id="mine"),
            "datasets/answers/reviews/mine",
        ),
        # What a create says of the new resource's own name is ignored by the services, and so by the log.
        (registry.CreateMetricRequest(metric_id="evil", metric={"name": "metrics/tox"}), "metrics/evil"),
        (registry.CreateMetricRequest(metric={"name": "metrics/tox"}), ""),
        (registry.CreateProjectRequest(project_id="b", project={"name": "projects/a"}), "projects/b"),
        (
            registry.CreateMetricVersionRequest(
                parent="metrics/tox", metric_version={"name": "metrics/other/versions/1"}
            ),
            "metrics/tox",
        ),
        (
            trainer.CreateRunRequest(
                parent="projects/zeta", run_id="x", run={"name": "projects/alpha/runs/x"}
            ),
            "projects/zeta/runs/x",
        ),
        (
            trainer.CreateRunRequest(parent="projects/zeta", run={"name": "projects/alpha/runs/x"}),
            "projects/zeta",
        ),
        (
            generations_pb2.CreateGenerationRequest(
                generation_id="mine", generation={"name": "generations/theirs"}
            ),
            "generations/mine",
        ),
        (
            generations_pb2.CreateGenerationRequest(generation={"name": "generations/theirs"}),
            "",
        ),
        (
            access.CreateApiKeyRequest(api_key=access.ApiKey(name="apiKeys/another")),
            "",
        ),
        (trainer.CreateProviderRequest(provider_id="openai"), "providers/openai"),
        (trainer.JudgeInstancesRequest(provider="providers/openai"), "providers/openai"),
        (trainer.CollectFeedbackRequest(parent="metrics/tox", dataset_id="d"), "metrics/tox"),
        (
            trainer.TrainFromFeedbackRequest(metric_version="metrics/tox/versions/3", run_id="r"),
            "metrics/tox/versions/3",
        ),
        (trainer.RecordFeedbackRequest(), ""),
        (access.RevokeApiKeyRequest(name="apiKeys/abc123"), "apiKeys/abc123"),
        (access.CreateApiKeyRequest(api_key=access.ApiKey(display_name="a text")), ""),
    ],
)
def test_an_entry_names_what_a_request_is_about(request_, name):
    assert resource_of_request(request_) == name


def test_an_entry_names_what_a_call_has_made():
    operation = operations_pb2.Operation(name="operations/r7")
    operation.metadata.Pack(resources_pb2.Run(name="projects/support/runs/7"))
    key = access.CreateApiKeyResponse(api_key=access.ApiKey(name="apiKeys/abc"), key_text="gnm_abc_secret")

    assert resource_of_response(resources_pb2.Metric(name="metrics/tox")) == "metrics/tox"
    assert resource_of_response(operation) == "projects/support/runs/7"
    assert resource_of_response(key) == "apiKeys/abc"
    assert resource_of_response(operations_pb2.Operation(name="operations/r7")) == "operations/r7"


@pytest.mark.parametrize(
    "text",
    [
        "my password is hunter2",
        "apiKeys/gnm_abcdefghijkl_0123456789ABCDEFG",
        "metrics/" + "x" * 500,
        "metrics/tox\nmetrics/other",
        "metrics/tox/versions",
        "Frag' mich!",
        "",
    ],
)
def test_a_name_that_is_none_is_not_written_down(text):
    assert checked(text) == ""
    assert resource_of_request(registry.DeleteMetricRequest(name=text)) == ""
