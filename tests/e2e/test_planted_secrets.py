"""Secrets and users' texts, planted wherever a user can put them, are nowhere but where they must be.

None of them has the form of a known key: what keeps them out of logs is not the
net that looks for forms, but that nothing logs them.
"""

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gnomon import AsyncClient, errors
from gnomon.v1 import registry_service_pb2_grpc as registry_grpc
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer_pb
from gnomon.v1 import scorer_service_pb2_grpc as scorer_grpc
from gnomon.v1 import trainer_service_pb2 as trainer_pb
from gnomon.v1 import trainer_service_pb2_grpc as trainer_grpc
from tests.e2e.observed import Observed, fake_training, observed
from tests.outbound.listening import http
from tests.scorer.evaluators import make_bundle
from tests.trainer.fake_endpoint import HANGS, FakeEndpoint, completion, failure, fake_endpoint
from tests.trainer.running import jsonl, labelled_rows, write_recipe

MASTER_KEY = base64.b64encode(b"planted master key of 32 bytes..").decode()
PLANTED = {
    "master key": MASTER_KEY,
    "provider key": "planted-provider-key",
    "second provider key": "planted-second-provider-key",
    "header": "planted-header",
    "caller": "planted-caller",
    "scored text": "planted-scored",
    "row": "planted-row",
    "file name": "planted-file-name",
    "judge prompt": "planted-judge-prompt",
    "endpoint's words": "planted-endpoint-words",
    "display name": "planted-display-name",
    "wrong name": "planted-wrong-name",
}
# What the contract stores of users' texts, and in which files below the deployment's folder.
STORED = {
    "row": {"trainer/data"},
    "file name": {"trainer/trainer.db"},
    "judge prompt": {"registry/registry.db", "trainer/trainer.db"},
    "endpoint's words": {"trainer/trainer.db", "trainer/data"},  # a judge's explanations
    "display name": {"registry/registry.db", "trainer/trainer.db"},
    "scored text": {"trainer/trainer.db"},  # as feedback
}


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        yield endpoint


def judged() -> Any:
    return completion(json.dumps({"explanation": PLANTED["endpoint's words"], "label": "true"}))


def answers() -> list[Any]:
    """Return what an endpoint may do wrong, saying the key and words of its own."""
    key, words = PLANTED["provider key"], PLANTED["endpoint's words"]
    said = f"{words} {key}"
    return [
        judged(),
        failure("401 Unauthorized", said),
        failure("400 Bad Request", said),
        completion("", model=said),
        completion(json.dumps({"explanation": key, "label": words})),
        said.encode(),
        http(b"", "302 Found", f"Location: http://{key}/"),
        HANGS,
    ]


async def tried(call: Any) -> str:
    """Return what a call says, well or not."""
    try:
        return str(await call)
    except (errors.GnomonError, grpc.aio.AioRpcError) as error:
        return f"{error!r} {error}"


async def register(client: AsyncClient, folder: Path) -> None:
    await client.metrics.create(
        "toxicity", output_type="boolean", input_shape="output",
        judge_prompt=PLANTED["judge prompt"], description=PLANTED["display name"],
    )  # fmt: skip
    for path, content in make_bundle().contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    await client.versions.create("toxicity", folder)
    await client.aliases.set("toxicity", "production", 1)


async def use_the_scorer(client: AsyncClient, at: Observed) -> list[str]:
    text = PLANTED["scored text"]
    score = await client.score("toxicity", output=f"good {text}", timeout_s=30)
    heard = [str(score)]
    bad = (f"nanword {text}", f"crash {text}", f"bad {text}" * 2_000)
    heard += [await tried(client.score("toxicity", output=given)) for given in bad]
    heard.append(await tried(client.score("toxicity", output=text, timeout_s=0.000_001)))
    heard.append(await tried(client.score("toxicity", instances=[{"output": 5}, {"wrong": text}])))
    heard.append(
        str([row async for row in client.score_stream("toxicity", [{"output": f"good {text}"}] * 5)])
    )
    await client.feedback.record(score, output=text, label=True, reviewer="ann")
    metadata = [(name, PLANTED["header"]) for name in ("authorization", "cookie", "x-api-key", "x-custom")]
    async with grpc.aio.insecure_channel(at.addresses["scorer"]) as channel:
        stub = scorer_grpc.ScorerServiceStub(channel)
        wrong = scorer_pb.ScoreRequest(metric_versions=["nonsense"], lane=77)
        heard.append(await tried(stub.Score(wrong, metadata=metadata, timeout=5)))
        raw = channel.unary_unary("/gnomon.v1.ScorerService/Score")
        heard.append(await tried(raw(b"\xff" + text.encode(), metadata=metadata, timeout=5)))
    return heard


async def use_the_trainer(
    client: AsyncClient, at: Observed, endpoint: FakeEndpoint, folder: Path
) -> list[str]:
    rows = [row | {"output": f"{row['output']} {PLANTED['row']}"} for row in labelled_rows(500)]
    files = {"train": rows[:300], "test": rows[300:], "logs": [{"output": r["output"]} for r in rows[:4]]}
    heard = []
    for name, content in files.items():
        path = folder / f"{PLANTED['file name']}-{name}.jsonl"
        path.write_bytes(jsonl(content))
        upload = client.datasets.upload(name, path, metric="toxicity", unlabelled=name == "logs")
        heard.append(await tried(upload))
    broken = folder / f"{PLANTED['file name']}-broken.jsonl"
    broken.write_text(f'{{"output": "{PLANTED["row"]}", "label": maybe}}\n{PLANTED["row"]}\n')
    heard.append(await tried(client.datasets.upload("broken", broken, metric="toxicity")))
    heard.append(await tried(client.providers.create(
        "main", base_url=endpoint.url, model="tiny-1", api_key=PLANTED["provider key"],
        display_name=PLANTED["display name"])))  # fmt: skip
    for answer in answers():
        endpoint.reply = lambda body, answer=answer: answer  # type: ignore[misc]
        instances = [{"output": PLANTED["scored text"]}]
        heard.append(await tried(client.judges.judge("toxicity", instances, provider="main")))
    endpoint.reply = lambda body: judged()
    labelling = await client.labellings.label("logs", provider="main", canary_count=0)
    heard.append(await tried(labelling.result(30)))
    changed = pb.Provider(name="providers/main", api_key=PLANTED["second provider key"])
    heard.append(await tried(client.providers.update(changed, ["api_key"])))
    heard.append(await tried(client.providers.test("main")))
    inside = pb.Provider(name="providers/main", base_url="http://169.254.169.254/")
    heard.append(await tried(client.providers.update(inside, ["base_url"])))
    return heard


async def train(client: AsyncClient) -> list[str]:
    """Have runs end well, with a defect whose message quotes a row, and with the death of their worker."""
    await client.projects.create("demo", display_name=PLANTED["display name"])
    heard = []
    for batch_size in (32, 13, 14):
        operation = await client.runs.create(
            "demo", metric="toxicity", training_set="train", test_set="test", recipe="quick",
            display_name=PLANTED["display name"], batch_size=batch_size,
        )  # fmt: skip
        with contextlib.suppress(errors.GnomonError):
            heard.append(str(await operation.result(40)))
    return heard


async def ask_wrongly(client: AsyncClient, at: Observed) -> None:
    """Name what is not there, and send what is no message. Errors say a caller's own names to him."""
    wrong = PLANTED["wrong name"]
    for call in (
        client.metrics.get(wrong), client.runs.get(f"demo/{wrong}"), client.datasets.get(wrong),
        client.score(wrong, output="x"), client.providers.get(wrong), client.versions.get(f"{wrong}@1"),
    ):  # fmt: skip
        assert wrong in await tried(call)
    metadata = [("authorization", PLANTED["header"]), ("cookie", PLANTED["header"])]
    for name, stub, request in (
        ("registry", registry_grpc.RegistryServiceStub, pb.Metric(name=wrong)),
        ("trainer", trainer_grpc.TrainerServiceStub, trainer_pb.GetRunRequest(name=wrong)),
    ):
        async with grpc.aio.insecure_channel(at.addresses[name]) as channel:
            service = stub(channel)
            method = service.GetMetric if name == "registry" else service.GetRun
            await tried(method(type(request)(name=wrong), metadata=metadata, timeout=5))
            path = f"/gnomon.v1.{name.title()}Service/Get{'Metric' if name == 'registry' else 'Run'}"
            await tried(channel.unary_unary(path)(b"\xff" + wrong.encode(), metadata=metadata, timeout=5))


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw)[:-4], raw[::-1]]


def found_in(content: bytes) -> set[str]:
    return {kind for kind, secret in PLANTED.items() if any(form in content for form in forms(secret))}


def stored_in(home: Path) -> dict[str, set[str]]:
    """Return what is found in files below the services' folders and in dumps of databases, by kind."""
    places: dict[str, set[str]] = {}
    for path in home.rglob("*"):
        relative = path.relative_to(home).as_posix()
        if not path.is_file() or not relative.startswith(("registry/", "trainer/", "scorer/")):
            continue
        content = path.read_bytes()
        if path.suffix == ".db":
            with contextlib.closing(sqlite3.connect(path)) as database:
                content += "\n".join(database.iterdump()).encode()
        place = "/".join(relative.split("/")[:2]).removesuffix("-wal").removesuffix("-shm")
        for kind in found_in(content):
            places.setdefault(kind, set()).add(place)
    return places


@pytest.mark.slow
@pytest.mark.long
async def test_nothing_planted_is_in_logs_telemetry_or_files_that_need_not_hold_it(
    tmp_path: Path, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(tmp_path)
    home = tmp_path / "home"
    environment = {
        "GNOMON_TRAINER_MASTER_KEY": MASTER_KEY,
        "GNOMON_TRAINER_ALLOWED_HOSTS": endpoint.host,
        "GNOMON_TRAINER_JUDGE_TIMEOUT_S": "0.5",
        "GNOMON_TRAINER_RECIPES_DIR": str(tmp_path / "recipes"),
        "GNOMON_SCORER_EVALUATION_EVENTS": "all",
    }
    monkeypatch.setenv("GNOMON_TRAINER_MASTER_KEY", MASTER_KEY)  # else a file is made
    with fake_training(monkeypatch):
        async with observed(home, **environment) as at, at.client(caller=PLANTED["caller"]) as client:
            await register(client, tmp_path / "bundle")
            heard = await use_the_scorer(client, at)
            heard += await use_the_trainer(client, at, endpoint, tmp_path)
            heard += await train(client)
            await ask_wrongly(client, at)
            await at.look()
            during = stored_in(home)
    told = {
        "logs": at.logs,
        "spans": str(at.collector.traces),
        "events": str(at.collector.logs),
        "pages": "".join(at.kept.values()),
    }

    # It was all there to be told: calls, failures, batches, provider calls.
    assert {"run", "labellings", "chat tiny-1", "load"} <= {span.name for span in at.spans}
    assert all(word in told["logs"] for word in ("a batch failed", "run failed", "work left as done"))
    assert "gen_ai.evaluation.result" in told["events"]
    assert "gnomon_trainer_provider_calls_total" in told["pages"]
    assert any(PLANTED["provider key"] in head for head in endpoint.heads)

    assert {name: found_in(text.encode()) for name, text in told.items()} == {name: set() for name in told}
    secrets = {"master key", "provider key", "second provider key", "header"}
    assert found_in("\n".join(heard).encode()) & secrets == set()
    after = stored_in(home)
    for kind, places in {**during, **after}.items():
        assert places <= STORED.get(kind, set()), kind
    assert after["judge prompt"] == STORED["judge prompt"]  # the search finds what is there


WRONG_URLS = (
    "postgresql://gnomon:planted-password@127.0.0.1:1/gnomon",
    "nonsense://gnomon:planted-password@127.0.0.1/gnomon",
    "postgresql://127.0.0.1:1/gnomon?password=planted-password",
    "planted-password@",
)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["registry", "trainer"])
@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_password_in_a_database_url_is_not_told_when_the_service_cannot_start(
    service: str, url: str
) -> None:
    prefix = f"GNOMON_{service.upper()}"
    environment = os.environ | {f"{prefix}_DATABASE_URL": url, f"{prefix}_LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", f"gnomon_{service}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert run.returncode
    assert run.stderr
    assert "planted-password" not in run.stdout + run.stderr
