"""Every kind of create, many times at once with one request ID: one effect, one answer."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from benchmarks.faults import bundles, store
from benchmarks.faults.sites import site
from google.protobuf.message import Message

import gnomon
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import registry_service_pb2_grpc, trainer_service_pb2, trainer_service_pb2_grpc
from gnomon.v1 import resources_pb2 as pb

METRIC = "toxicity"


def measure(home: Path, at_once: int = 100, databases: dict[str, str] | None = None) -> dict[str, Any]:
    """Make every kind of create many times at once with one request ID; `problems` names unequal answers."""
    problems: list[str] = []
    kinds: list[str] = []
    environment = {"trainer": {"GNOMON_TRAINER_WORKERS": "0"}}
    with site(home, databases=databases, environment=environment) as made, made.client() as client:
        _prepare(client, home)
        with (
            grpc.insecure_channel(made.addresses["registry"]) as at_registry,
            grpc.insecure_channel(made.addresses["trainer"]) as at_trainer,
            ThreadPoolExecutor(at_once) as pool,
        ):
            for kind, call in _creates(at_registry, at_trainer).items():
                kinds.append(kind)
                answers = set(pool.map(_outcome, [call] * at_once))
                if len(answers) != 1 or any(answer.startswith(b"error") for answer in answers):
                    problems.append(f"{kind} was answered {answers}")
        problems += store.problems_of(client, made.artifacts, (METRIC,))
        counts = {
            "versions": len(list(client.versions.list(METRIC))),
            "runs": len(list(client.runs.list("p"))),
            "datasets": len(list(client.datasets.list())),
        }
    if counts != {"versions": 1, "runs": 1, "datasets": 5}:
        problems.append(f"there are {counts}")
    return {"problems": problems, "at_once": at_once, "kinds": kinds}


def _outcome(call: Any) -> bytes:
    try:
        answer: Message = call()
        return answer.SerializeToString(deterministic=True)
    except grpc.RpcError as error:
        return f"error {error.code()} {error.details()}".encode()


def _prepare(client: gnomon.Client, home: Path) -> None:
    client.projects.create("p")
    client.metrics.create(METRIC, output_type="boolean", input_shape="input_output")
    for name, start, count in (("train", 0, 300), ("test", 100_000, 160)):
        (home / f"{name}.csv").write_bytes(_rows(start, count))
        client.datasets.upload(name, home / f"{name}.csv", metric=METRIC)


def _rows(start: int, count: int) -> bytes:
    lines = [f"question {n},answer {n},{'true' if n % 2 else 'false'}\n" for n in range(start, start + count)]
    return ("input,output,label\n" + "".join(lines)).encode()


def _creates(at_registry: grpc.Channel, at_trainer: grpc.Channel) -> dict[str, Any]:
    """Return a call of every kind of create, each with a request ID of its own."""
    to_registry: Any = registry_service_pb2_grpc.RegistryServiceStub(at_registry)
    to_trainer: Any = trainer_service_pb2_grpc.TrainerServiceStub(at_trainer)
    ids = [str(uuid.UUID(int=n, version=4)) for n in range(20)]
    contents = bundles.files(METRIC)
    for content in contents.values():
        upload = registry.UploadBlobRequest(sha256=bundles.sha256(content), size_bytes=len(content))
        upload.content = content
        to_registry.UploadBlob(iter([upload]))
    fields = {"output_type": "BOOLEAN", "step": "LLM_SPAN", "input_shape": "INPUT_OUTPUT"}
    header = trainer_service_pb2.UploadDatasetRequest.Header(
        dataset_id="more", metric=f"metrics/{METRIC}", filename="more.csv", request_id=ids[3]
    )
    upload_rows = [
        trainer_service_pb2.UploadDatasetRequest(header=header),
        trainer_service_pb2.UploadDatasetRequest(content=_rows(5_000, 50)),
    ]
    run = pb.Run(metric=f"metrics/{METRIC}", training_set="datasets/train", test_set="datasets/test")
    provider = pb.Provider(base_url="https://api.example.com/v1", model="m")
    messages = {
        "project": (
            to_registry.CreateProject,
            registry.CreateProjectRequest(project_id="q", request_id=ids[0]),
        ),
        "metric": (
            to_registry.CreateMetric,
            registry.CreateMetricRequest(metric_id="m", metric=pb.Metric(**fields), request_id=ids[1]),
        ),
        "version": (to_registry.CreateMetricVersion, bundles.create_request(METRIC, contents, ids[2])),
        "split": (
            to_trainer.SplitDataset,
            trainer_service_pb2.SplitDatasetRequest(
                name="datasets/train", training_dataset_id="left", test_dataset_id="right", request_id=ids[4]
            ),
        ),
        "run": (
            to_trainer.CreateRun,
            trainer_service_pb2.CreateRunRequest(parent="projects/p", run_id="r", run=run, request_id=ids[5]),
        ),
        "provider": (
            to_trainer.CreateProvider,
            trainer_service_pb2.CreateProviderRequest(provider_id="p", provider=provider, request_id=ids[6]),
        ),
    }
    calls = {kind: (lambda m=method, r=request: m(r)) for kind, (method, request) in messages.items()}
    return calls | {"dataset": lambda: to_trainer.UploadDataset(iter(upload_rows))}
