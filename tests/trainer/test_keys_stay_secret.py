"""A provider's key goes to its endpoint and nowhere else, not even when the endpoint says it aloud."""

import base64
import json
import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain import careful_chat
from tests.outbound.listening import http
from tests.rpc.telemetry_pages import read_text
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, completion, failure, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, refused, trainer_at
from tests.trainer.test_judging import judge, prompted, says

SECOND_KEY = "sk-second-9876543210-zyxwvutsrq"
MASTER_KEY = base64.b64encode(b"m" * 32).decode()


def traces(secret: str) -> list[bytes]:
    """Return the forms in which a secret would be as good as in the open."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw)[:-4], raw[::-1]]


def telling(body: Any, key: str) -> Iterable[Any]:
    """Return what an endpoint answers that writes the key wherever it can."""
    yield failure("401 Unauthorized", f"Incorrect API key provided: {key}")
    yield failure("400 Bad Request", f"Your key begins with {key[:12]}")
    yield failure("429 Too Many", key, f"Retry-After: {key}")
    yield failure(f"500 {key}", key, f"X-Key: {key}", code=key)
    yield completion(json.dumps({"explanation": f"The key is {key}.", "label": "true"}))
    yield completion(json.dumps({"explanation": "", "label": key}))
    yield completion(key)
    yield completion('{"explanation": "", "label": "true"}', model=key)
    yield http(json.dumps({"error": {"message": key}}).encode())
    yield http(key.encode(), "302 Found", f"Location: http://{key}/")
    yield f"{key}\r\n\r\n".encode()


async def troubled(trainer: Trainer, endpoint: FakeEndpoint, key: str) -> list[str]:
    """Return what callers get of a provider whose endpoint tells the key."""
    heard = []
    for answer in telling({}, key):
        endpoint.reply = lambda body, answer=answer: answer  # type: ignore[misc]
        heard.append(str(await judge(trainer, "Go away.", "Hello.")))
        heard.append(str(await trainer.stub.TestProvider(pb.TestProviderRequest(name="providers/main"))))
    endpoint.reply = says("true")
    heard.append(str(await judge(trainer, "Go away.")))
    return heard


def dumped(folder: Path) -> list[bytes]:
    """Return the databases as SQL, and all files as they are: write-ahead logs are some of them."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for path in folder.rglob("*.db"):
        database = sqlite3.connect(path)
        found.append("\n".join(database.iterdump()).encode())
        database.close()
    return found


async def test_a_key_is_in_no_log_error_telemetry_or_database(
    tmp_path: Path,
    registry: FakeRegistry,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(careful_chat, "_FIRST_WAIT_S", 0.001)
    caplog.set_level("DEBUG")
    registry.metrics["metrics/toxicity"] = prompted()
    heard: list[str] = []
    async with fake_endpoint() as endpoint:
        settings = {
            "master_key": MASTER_KEY,
            "allowed_hosts": endpoint.host,
            "metrics_listen": "127.0.0.1:0",
            "log_level": "debug",
        }
        async with trainer_at(tmp_path, registry, **settings) as trainer:
            provider = resources.Provider(base_url=endpoint.url, model="tiny-1", api_key=KEY)
            create = pb.CreateProviderRequest(
                provider_id="main", provider=provider, request_id=str(uuid.uuid4())
            )
            heard.append(str(await trainer.stub.CreateProvider(create)))
            heard += await troubled(trainer, endpoint, KEY)
            create.provider.model = "other"
            heard.append(str(vars(await refused(trainer.stub.CreateProvider(create)))))
            change = resources.Provider(name="providers/main", api_key=SECOND_KEY)
            update = pb.UpdateProviderRequest(provider=change, update_mask={"paths": ["api_key"]})
            heard.append(str(await trainer.stub.UpdateProvider(update)))
            heard += await troubled(trainer, endpoint, SECOND_KEY)
            assert trainer.app.server._telemetry is not None
            assert trainer.app.server._telemetry.page is not None
            heard.append(await read_text(trainer.app.server._telemetry.page.address))
            files = dumped(tmp_path)
        files += dumped(tmp_path)
        heads = endpoint.heads

    assert {f"bearer {KEY}", f"bearer {SECOND_KEY}"} <= {
        line.removeprefix("authorization: ") for head in heads for line in head.split("\r\n")
    }
    assert "gnomon_trainer" in heard[-1] or "JudgeInstances" in heard[-1]
    assert any(b"INSERT INTO" in content and b"providers/main" in content for content in files)
    said = capfd.readouterr()
    told = "\n".join([*heard, caplog.text, said.out, said.err]).encode()
    for secret in (KEY, SECOND_KEY, MASTER_KEY):
        for trace in traces(secret):
            assert trace not in told
            assert not any(trace in content for content in files)
