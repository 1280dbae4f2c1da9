"""At every limit a body is taken, and one beyond it is refused by a typed error and leaves nothing behind."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from benchmarks.faults import bundles
from grpc_status import rpc_status

from gnomon import errors
from gnomon.status import from_status
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import registry_service_pb2_grpc, scorer_service_pb2_grpc, trainer_service_pb2_grpc
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer
from gnomon.v1 import trainer_service_pb2 as trainer

STUBS = {
    "registry": registry_service_pb2_grpc.RegistryServiceStub,
    "trainer": trainer_service_pb2_grpc.TrainerServiceStub,
    "scorer": scorer_service_pb2_grpc.ScorerServiceStub,
}
FIELDS = {"output_type": "BOOLEAN", "step": "LLM_SPAN", "input_shape": "INPUT_OUTPUT"}
CATEGORICAL = {"output_type": "CATEGORICAL", "step": "LLM_SPAN", "input_shape": "OUTPUT"}


@dataclass(frozen=True)
class Limit:
    """`request` makes a call's messages of a size; `taken` may name an error that comes later."""

    name: str
    service: str
    method: str
    most: int
    request: Callable[[int, bool], Any]
    error: type[errors.GnomonError]
    taken: tuple[type[errors.GnomonError], ...] = ()
    says: str = ""  # in the refusal


def metric(of: str, beyond: bool, **fields: Any) -> Any:
    id_ = f"{of}-{'beyond' if beyond else 'at'}"
    values = FIELDS | fields
    return registry.CreateMetricRequest(metric_id=id_, metric=pb.Metric(**values))


def classes(count: int, **fields: Any) -> Any:
    made = [pb.Metric.LabelClass(label=f"label {n}") for n in range(count)]
    return CATEGORICAL | {"classes": made} | fields


def labels(length: int) -> Any:
    made = [pb.Metric.LabelClass(label=text) for text in ("x" * length, "other")]
    return CATEGORICAL | {"classes": made}


def rubrics(length: int) -> Any:
    made = [pb.Metric.LabelClass(label=text, rubric="x" * length) for text in ("a", "b")]
    return CATEGORICAL | {"classes": made}


def blob(size: int, _: bool) -> Any:
    content = b"x" * size
    parts = [content[start : start + 50_000] for start in range(0, size, 50_000)]
    first = registry.UploadBlobRequest(sha256=bundles.sha256(content), size_bytes=size, content=parts[0])
    return iter([first, *(registry.UploadBlobRequest(content=part) for part in parts[1:])])


def sized_message(size: int, _: bool) -> Any:
    content = b"y" * size
    while True:
        request = registry.UploadBlobRequest(
            sha256=bundles.sha256(content), size_bytes=len(content), content=content
        )
        if (over := request.ByteSize() - size) == 0:
            return iter([request])
        content = content[:-over]


def version_of(files: int, _: bool) -> Any:
    contents = bundles.files("m") | {f"more-{n}.txt": b"abc" for n in range(files - len(bundles.files("m")))}
    return bundles.create_request("m", contents, "")


def dataset(of: str, beyond: bool, content: bytes, filename: str = "rows.csv", display_name: str = "") -> Any:
    header = trainer.UploadDatasetRequest.Header(
        dataset_id=f"{of}-{'beyond' if beyond else 'at'}",
        metric="metrics/m",
        filename=filename,
        display_name=display_name,
    )
    parts = [content[start : start + 50_000] for start in range(0, len(content), 50_000)]
    return iter(
        [
            trainer.UploadDatasetRequest(header=header),
            *(trainer.UploadDatasetRequest(content=part) for part in parts),
        ]
    )


def rows(count: int, cell: str = "answer") -> bytes:
    lines = [f"question {n},{cell} {n},{'true' if n % 2 else 'false'}\n" for n in range(count)]
    return ("input,output,label\n" + "".join(lines)).encode()


def with_cell(length: int) -> bytes:
    return rows(9) + b"question,%s,true\n" % (b"c" * length)


def padded(size: int) -> bytes:
    """Return rows of a size in bytes; what fills it is cells of some hundred characters."""
    content = rows(20)
    count = (size - len(content)) // 800
    width, longer = divmod(size - len(content) - count * len(b"q000,,true\n"), count)
    cells = (b"z" * (width + (number < longer)) for number in range(count))
    return content + b"".join(b"q%03d,%s,true\n" % (number, cell) for number, cell in enumerate(cells))


def scored(versions: int, instances: int) -> Any:
    instance = pb.Instance(span=pb.Span(output=[pb.Message(role="assistant", content="x")]))
    return scorer.ScoreRequest(
        metric_versions=["metrics/m/versions/1"] * versions, instances=[instance] * instances
    )


LIMITS = [
    Limit(
        "an ID",
        "registry",
        "CreateMetric",
        63,
        lambda n, _: registry.CreateMetricRequest(metric_id="i" * n, metric=pb.Metric(**FIELDS)),
        errors.InvalidRequestError,
    ),
    Limit(
        "a display name",
        "registry",
        "CreateMetric",
        63,
        lambda n, b: metric("named", b, display_name="x" * n),
        errors.InvalidRequestError,
    ),
    Limit(
        "a description",
        "registry",
        "CreateMetric",
        10_000,
        lambda n, b: metric("described", b, description="x" * n),
        errors.InvalidRequestError,
    ),
    Limit(
        "a judge prompt",
        "registry",
        "CreateMetric",
        50_000,
        lambda n, b: metric("judged", b, judge_prompt="x" * n),
        errors.InvalidRequestError,
    ),
    Limit(
        "the classes",
        "registry",
        "CreateMetric",
        255,
        lambda n, b: metric("classed", b, **classes(n)),
        errors.InvalidRequestError,
    ),
    Limit(
        "a label",
        "registry",
        "CreateMetric",
        63,
        lambda n, b: metric("labelled", b, **labels(n)),
        errors.InvalidRequestError,
    ),
    Limit(
        "a rubric",
        "registry",
        "CreateMetric",
        2_000,
        lambda n, b: metric("rubric", b, **rubrics(n)),
        errors.InvalidRequestError,
    ),
    Limit(
        "digests of a request",
        "registry",
        "FindMissingBlobs",
        1_000,
        lambda n, _: registry.FindMissingBlobsRequest(sha256=[f"{i:064x}" for i in range(n)]),
        errors.InvalidRequestError,
    ),
    Limit("a blob", "registry", "UploadBlob", 300_000, blob, errors.UploadTooLargeError),
    Limit("a message", "registry", "UploadBlob", 100_000, sized_message, errors.GnomonError),
    Limit(
        "the files of a bundle",
        "registry",
        "CreateMetricVersion",
        64,
        version_of,
        errors.BundleInvalidError,
        (errors.BundleInvalidError,),  # the files of the right number are no bundle
        says="must be at most 64",
    ),
    Limit(
        "rows",
        "trainer",
        "UploadDataset",
        500,
        lambda n, b: dataset("rows", b, rows(n)),
        errors.DatasetInvalidError,
    ),
    Limit(
        "a cell",
        "trainer",
        "UploadDataset",
        1_000,
        lambda n, b: dataset("cell", b, with_cell(n)),
        errors.DatasetInvalidError,
    ),
    Limit(
        "an upload",
        "trainer",
        "UploadDataset",
        200_000,
        lambda n, b: dataset("bytes", b, padded(n)),
        errors.UploadTooLargeError,
    ),
    Limit(
        "what it unpacks to",
        "trainer",
        "UploadDataset",
        300_000,
        lambda n, b: dataset("unpacked", b, gzip.compress(padded(n)), "rows.csv.gz"),
        errors.UploadTooLargeError,
    ),
    Limit(
        "a file's name",
        "trainer",
        "UploadDataset",
        255,
        lambda n, b: dataset("file", b, rows(20), "f" * (n - 4) + ".csv"),
        errors.InvalidRequestError,
    ),
    Limit(
        "a dataset's display name",
        "trainer",
        "UploadDataset",
        63,
        lambda n, b: dataset("shown", b, rows(20), display_name="x" * n),
        errors.InvalidRequestError,
    ),
    Limit(
        "metrics of a request",
        "scorer",
        "Score",
        16,
        lambda n, _: scored(n, 1),
        errors.InvalidRequestError,
        (errors.NotFoundError, errors.VersionUnloadableError),
    ),
    Limit(
        "instances of a request",
        "scorer",
        "Score",
        256,
        lambda n, _: scored(1, n),
        errors.InvalidRequestError,
        (errors.NotFoundError, errors.VersionUnloadableError),
    ),
]


def stored(made: Any) -> Any:
    """Return all that a refused body might have left something of."""
    with made.client() as client:
        parts = [path for path in made.home.rglob("*") if path.parent.name in {"parts", "tmp"}]
        return (
            [metric.name for metric in client.metrics.list()],
            [version.name for version in client.versions.list("m")],
            [found.name for found in client.datasets.list()],
            sorted(path.name for path in (made.artifacts / "blobs").rglob("*") if path.is_file()),
            parts,
        )


def upload_blob(made: Any, content: bytes) -> None:
    message = registry.UploadBlobRequest(sha256=bundles.sha256(content), size_bytes=len(content))
    message.content = content
    with grpc.insecure_channel(made.addresses["registry"]) as channel:
        STUBS["registry"](channel).UploadBlob(iter([message]))


def outcome(made: Any, limit: Limit, size: int, beyond: bool) -> errors.GnomonError | None:
    with grpc.insecure_channel(made.addresses[limit.service]) as channel:
        call = getattr(STUBS[limit.service](channel), limit.method)
        try:
            call(limit.request(size, beyond), timeout=60)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            if status is not None:
                return from_status(status)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
            return errors.GnomonError(error.details())
    return None


@pytest.mark.slow
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name.replace(" ", "-"))
def test_what_is_at_the_limit_is_taken_and_one_more_is_refused_whole(limited, limit):
    if limit.method == "CreateMetricVersion":
        for content in {*bundles.files("m").values(), b"abc"}:
            upload_blob(limited, content)
    taken = outcome(limited, limit, limit.most, False)
    before = stored(limited)
    refused = outcome(limited, limit, limit.most + 1, True)

    assert taken is None or isinstance(taken, limit.taken), taken
    assert isinstance(refused, limit.error)
    assert limit.says in str([refused, *refused.violations])
    assert stored(limited) == before
    assert before[-1] == []


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "got"), [(1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_is_never_larger_than_its_limit(limited, asked, got):
    with grpc.insecure_channel(limited.addresses["registry"]) as channel:
        stub = STUBS["registry"](channel)
        have = stub.ListProjects(registry.ListProjectsRequest(page_size=1000))
        for number in () if have.next_page_token else range(1001):
            stub.CreateProject(registry.CreateProjectRequest(project_id=f"page-{number}"))
        page = stub.ListProjects(registry.ListProjectsRequest(page_size=asked))

    assert len(page.projects) == got
    assert page.next_page_token


def test_a_negative_page_is_refused(limited):
    with (
        grpc.insecure_channel(limited.addresses["registry"]) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        STUBS["registry"](channel).ListProjects(registry.ListProjectsRequest(page_size=-1))

    assert isinstance(from_status(rpc_status.from_call(raised.value)), errors.InvalidRequestError)


@pytest.mark.parametrize("service", ["registry", "trainer", "scorer"])
def test_metadata_of_a_usual_size_is_taken_and_huge_ones_end_one_call_alone(limited, service):
    with grpc.insecure_channel(limited.addresses[service]) as channel:
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert health(b"", timeout=10, metadata=[("x-text", "a" * 4_000)]) is not None
        with pytest.raises(grpc.RpcError) as raised:
            health(b"", timeout=10, metadata=[("x-text", "a" * 100_000)])
        assert health(b"", timeout=10) is not None

    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
