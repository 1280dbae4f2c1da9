"""Hostile names, paths, digests and URIs in every text field of every RPC.

Nothing outside the services' folders may be opened, nothing may end in INTERNAL or UNKNOWN, nobody may die.
"""

import itertools
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from benchmarks.faults import bundles
from benchmarks.faults.calling import RegistryCalls
from benchmarks.faults.sites import ROOT, Site, inside, site
from google.api import resource_pb2
from google.longrunning import operations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from gnomon.v1 import registry_service_pb2, scorer_service_pb2, trainer_service_pb2

_SERVICES: Mapping[str, tuple[Any, ...]] = {
    "registry": (registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],),
    "trainer": (
        trainer_service_pb2.DESCRIPTOR.services_by_name["TrainerService"],
        operations_pb2.DESCRIPTOR.services_by_name["Operations"],
    ),
    "scorer": (scorer_service_pb2.DESCRIPTOR.services_by_name["ScorerService"],),
}
_NAMES = {
    "Project": "projects/p",
    "Run": "projects/p/runs/r",
    "Dataset": "datasets/train",
    "Provider": "providers/p",
    "Metric": "metrics/m",
    "MetricVersion": "metrics/m/versions/1",
    "Alias": "metrics/m/aliases/production",
    "Review": "datasets/train/reviews/r",
    "Labelling": "labellings/l",
    "Generation": "generations/g",
    "Recipe": "recipes/small",
}
# They ask addresses on the network, which would be what is measured; `tests/outbound` is about those.
_LEFT_OUT = {"TestProvider"}
_NEVER = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}
_CALL_S = 20.0
_STREAM_S = 0.2
_PIECES = (
    *(
        "..",
        "../",
        "/",
        "//",
        "\\",
        "..\\",
        ".",
        "~",
        "%2e%2e%2f",
        "%00",
        "\x00",
        "\n",
        "\r\n",
        "\u202e",
        "\uffff",
    ),
    *(
        "é",
        "e\u0301",
        "\U0001d49c",
        "metrics/",
        "versions/",
        "datasets/",
        "projects/",
        "runs/",
        "operations/",
        "blobs/",
    ),
    *(
        "@",
        ":",
        "?",
        "#",
        "*",
        "$(id)",
        "`id`",
        "';--",
        "{}",
        "{0}",
        "%s",
        "-",
        "-1",
        "0",
        "1",
        "99999999999999999999",
    ),
    *(
        "etc/passwd",
        "/etc/passwd",
        "file:///etc/passwd",
        "s3://a/b",
        "http://localhost:1/",
        "gs://a",
        "proc/self/environ",
    ),
    *(
        "m",
        "p",
        "train",
        "production",
        "latest",
        "a" * 63,
        "a" * 64,
        "A" * 64,
        "0" * 64,
        "f" * 63,
        "x" * 3000,
        " ",
        "",
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`calls` to each service, dealt out to its RPCs."""

    calls: int = 10_000
    threads: int = 8
    seed: int = 1


def measure(
    home: Path, plan: Plan, services: tuple[str, ...] = ("registry", "trainer", "scorer")
) -> dict[str, Any]:
    """Return what the services answered; `problems` is empty where nothing broke out and nothing broke."""
    audits = {name: home / f"{name}.audit" for name in services}
    environment = {name: inside(audit=str(audit)) for name, audit in audits.items()}
    if "trainer" in environment:
        environment["trainer"]["GNOMON_TRAINER_WORKERS"] = "0"
    problems: list[str] = []
    answers: dict[str, Counter[str]] = {}
    started = tuple(dict.fromkeys(("registry", *services)))
    with site(home, started, environment=environment) as made:
        _prepare(made)
        for name in services:
            begin = audits[name].stat().st_size
            answers[name], found = _fuzzed(name, made.addresses[name], plan)
            problems += found
            if not made.services[name].is_running:
                problems.append(f"the {name} died")
            problems += [f"the {name} opened {path}" for path in sorted(_outside(audits[name], begin, home))]
    return {
        "problems": problems,
        "rpcs": {name: len(list(_methods(name))) for name in services},
        "calls": {name: sum(counts.values()) for name, counts in answers.items()},
        "answers": {name: dict(counts) for name, counts in answers.items()},
    }


def _prepare(made: Site) -> None:
    with made.client() as client:
        client.projects.create("p")
        client.metrics.create("m", output_type="boolean", input_shape="input_output")
        if "trainer" in made.services:
            rows = made.home / "train.csv"
            lines = [f"question {n},answer {n},{'true' if n % 2 else 'false'}\n" for n in range(50)]
            rows.write_text("input,output,label\n" + "".join(lines))
            client.datasets.upload("train", rows, metric="m")
    RegistryCalls(made.addresses["registry"]).publish("m", bundles.files("m"), "")


# ---------------------------------------------------------------------------- calls


def _methods(service: str) -> Iterator[MethodDescriptor]:
    for described in _SERVICES[service]:
        yield from (method for method in described.methods if method.name not in _LEFT_OUT)


def _fuzzed(service: str, address: str, plan: Plan) -> tuple[Counter[str], list[str]]:
    answers: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    methods = list(_methods(service))
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(plan.threads) as pool:

        def call(number: int) -> tuple[str, str, str]:
            random_ = random.Random(f"{plan.seed}-{number}")
            method = methods[number % len(methods)]
            code, details = _called(channel, method, filled(method.input_type, random_))
            return method.name, code, details

        for method, code, details in pool.map(call, range(plan.calls)):
            answers[code] += 1
            if code in {each.name for each in _NEVER} or code == "RAISED":
                problems[f"{method}: {code}: {details[:200]}"] += 1
    return answers, [f"{text} ({times} times)" for text, times in problems.items()]


def _called(channel: grpc.Channel, method: MethodDescriptor, request: Message) -> tuple[str, str]:
    """Make a call; return its code and details."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    sends, gets = method.client_streaming, method.server_streaming
    kinds = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    call = kinds[sends, gets](path, type(request).SerializeToString, lambda raw: raw)
    argument = iter([request]) if sends else request
    try:
        if gets:
            for _ in itertools.islice(call(argument, timeout=_STREAM_S), 5):
                pass
        else:
            call(argument, timeout=_CALL_S)
    except grpc.RpcError as error:
        if error.details() == "Internal error from Core":  # gRPC can lose the status of a refused upload
            return "LOST", ""
        return error.code().name, error.details() or ""
    return "OK", ""


# -------------------------------------------------------------------------- requests


def filled(descriptor: Any, random_: random.Random) -> Message:
    """Return a request that could be meant, but for one text in it, which is hostile."""
    texts = itertools.count()
    plain = _message(descriptor, texts, -1, "", 0)
    count = next(texts)
    if not count:
        return plain
    return _message(descriptor, itertools.count(), random_.randrange(count), hostile(random_), 0)


def hostile(random_: random.Random) -> str:
    """Return a text that a name, a path, a digest or a URI must not be."""
    made = "".join(random_.choices(_PIECES, k=random_.randint(1, 6)))
    if random_.random() < 0.5:
        made = random_.choice(list(_NAMES.values())) + random_.choice(("/", "", "@")) + made
    return made


def _message(descriptor: Any, texts: Iterator[int], target: int, text: str, depth: int) -> Message:
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.fields[0] is not field:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _fill_message(message, field, texts, target, text, depth)
        elif (value := _scalar(field, texts, target, text)) is not None:
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def _fill_message(
    message: Message, field: Any, texts: Iterator[int], target: int, text: str, depth: int
) -> None:
    of_maps = field.message_type.GetOptions().map_entry
    if depth > 3 or of_maps or field.message_type.full_name.startswith("google.protobuf."):
        return
    value = _message(field.message_type, texts, target, text, depth + 1)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        getattr(message, field.name).CopyFrom(value)


def _scalar(field: Any, texts: Iterator[int], target: int, text: str) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return text if next(texts) == target else _plain(field)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"x"
    return None


def _plain(field: Any) -> str:
    if field.name in {"request_id", "page_token", "etag", "filter"}:
        return ""
    if field.name == "sha256":
        return "ab" * 32
    about = field.GetOptions().Extensions[resource_pb2.resource_reference]
    kind = (about.type or about.child_type).rpartition("/")[2]
    return _NAMES.get(kind, "abc")


# ----------------------------------------------------------------------------- paths


def _outside(audit: Path, begin: int, home: Path) -> set[str]:
    """Return what a process opened from a place in its audit on that is neither its data nor its code."""
    code = [*filter(None, sys.path), sys.prefix, sys.base_prefix, "/usr/share/zoneinfo"]
    roots = tuple(f"{Path(root).resolve()}{os.sep}" for root in (home, ROOT, *code, "/dev", "/sys"))
    own = {"/proc/self", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo"}
    found = set()
    with audit.open("rb") as file:
        file.seek(begin)
        for line in file:
            for path in json.loads(line)[1:]:
                whole = os.path.normpath(os.path.join(ROOT, path))  # noqa: PTH118
                if not f"{whole}{os.sep}".startswith(roots) and not any(whole.startswith(p) for p in own):
                    found.add(f"{path!r}")
    return found
