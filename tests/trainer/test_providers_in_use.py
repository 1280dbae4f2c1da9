"""Providers as users reach them: both clients and the command line, over the wire, with a real endpoint."""

import asyncio
import io
import json
import os
import pty
import select
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gnomon import errors
from gnomon.cli.main import main
from gnomon.v1 import resources_pb2 as pb
from tests.sdk.serving import collected, connected
from tests.trainer.fake_endpoint import KEY, FakeEndpoint, completion, failure, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, trainer_at

ENTRY_POINT = "import sys; from gnomon.cli.main import main; sys.exit(main())"


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with trainer_at(tmp_path, registry, master_key="a1" * 32, allowed_hosts=endpoint.host) as trainer:
        yield trainer


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Gnomon = Callable[..., Awaitable[Ran]]


@pytest.fixture
def gnomon(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gnomon:
    """Run one command line in a thread, while the trainer serves it."""
    monkeypatch.setenv("GNOMON_TRAINER_ADDRESS", trainer.app.server.address)

    async def run(*words: str) -> Ran:
        status = await asyncio.to_thread(main, list(words))
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


async def start(trainer: Trainer, *words: str, stdin: Any) -> Any:
    """Start one command line in a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENTRY_POINT, "providers", *words),
        env=os.environ | {"GNOMON_TRAINER_ADDRESS": trainer.app.server.address},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


def with_prompt(metric: pb.Metric) -> pb.Metric:
    prompted = pb.Metric(judge_prompt="Is the answer toxic?")
    prompted.MergeFrom(metric)
    return prompted


def create(endpoint: FakeEndpoint, *more: str) -> Sequence[str]:
    return ("create", "main", "--base-url", endpoint.url, "--model", "tiny-1", *more)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_client_does_all_that_there_is_to_do_with_a_provider(
    trainer: Trainer, endpoint: FakeEndpoint, kind: str
) -> None:
    async with connected(kind, trainer.app.server.address) as client:
        made = await client.providers.create("main", base_url=endpoint.url, model="tiny-1", api_key=KEY)
        assert (made.key_state, made.api_key) == (pb.Provider.STORED, "")
        assert [p.name for p in await collected(client.providers.list())] == ["providers/main"]
        tested = await client.providers.test("main")
        assert (tested.model, tested.json_schema.works) == ("tiny-1", True)
        made.display_name = "Tiny"
        updated = await client.providers.update(made, ["display_name"])
        assert (updated.display_name, updated.key_state) == ("Tiny", pb.Provider.STORED)
        with pytest.raises(errors.EtagMismatchError):
            await client.providers.update(made, ["display_name"])
        endpoint.reply = lambda body: failure("401 Unauthorized", KEY)
        with pytest.raises(errors.ProviderRefusedError, match="does not take the key") as caught:
            await client.providers.test("providers/main")
        assert KEY not in str(vars(caught.value))
        await client.providers.delete("main")
        with pytest.raises(errors.NotFoundError):
            await client.providers.get("main")


async def test_a_key_is_read_from_standard_input(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    process = await start(trainer, *create(endpoint, "--key-stdin"), stdin=asyncio.subprocess.PIPE)
    out, err = await process.communicate(f"{KEY}\n".encode())

    assert out.decode() == "Created providers/main. Try it: gnomon providers test main\n", err
    async with connected("async", trainer.app.server.address) as client:
        await client.providers.test("main")
    assert f"bearer {KEY}" in endpoint.heads[0]


async def test_a_key_is_taken_from_a_variable_and_tested(
    gnomon: Gnomon, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    await gnomon("providers", *create(endpoint))
    assert (
        await gnomon("providers", "update", "main", "--key-env", "MY_KEY")
    ).out == "Updated providers/main.\n"

    ran = await gnomon("providers", "test", "main")

    assert [line.split() for line in ran.out.splitlines()[2:]] == [
        ["JSON", "schema", "works"],
        ["log-probabilities", "works"],
    ]
    assert json.loads((await gnomon("providers", "test", "main", "--json")).out)["model"] == "tiny-1"
    assert f"bearer {KEY}" in endpoint.heads[0]


async def test_a_key_that_is_typed_is_not_echoed(trainer: Trainer, endpoint: FakeEndpoint) -> None:
    ours, theirs = pty.openpty()
    try:
        process = await start(trainer, *create(endpoint, "--ask-key", "--json"), stdin=theirs)
        prompt = await process.stderr.readuntil(b"Key: ")
        os.write(ours, f"{KEY}\n".encode())
        out, err = await process.communicate()
        echoed = os.read(ours, 1000) if select.select([ours], [], [], 0)[0] else b""
    finally:
        os.close(theirs)
        os.close(ours)

    assert process.returncode == 0, err
    assert json.loads(out)["key_state"] == "STORED"
    assert KEY.encode() not in prompt + out + err + echoed


async def test_a_changed_url_tells_that_the_key_is_gone(
    gnomon: Gnomon, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    await gnomon("providers", *create(endpoint, "--key-env", "MY_KEY"))

    ran = await gnomon("providers", "update", "main", "--base-url", "https://api.example.com/v1")
    assert "Its key was dropped" in ran.out
    assert "dropped, as the URL changed" in (await gnomon("providers", "list")).out
    assert "DROPPED" in (await gnomon("providers", "get", "main")).out
    ran = await gnomon("providers", "update", "main", "--remove-key")
    assert "none" in (await gnomon("providers", "list")).out
    assert (await gnomon("providers", "delete", "main")).out == "Deleted main.\n"
    assert "There are no providers yet" in (await gnomon("providers", "list")).err


async def test_a_failed_test_is_one_sentence_and_status_1(gnomon: Gnomon, endpoint: FakeEndpoint) -> None:
    await gnomon("providers", *create(endpoint))
    endpoint.reply = lambda body: completion(None)

    ran = await gnomon("providers", "test", "main")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "error: What providers/main answered is empty.\n"


async def test_keys_on_the_command_line_and_contradictions_are_refused(
    gnomon: Gnomon, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    for words in (
        create(endpoint, "--api-key", KEY),
        create(endpoint, "--ask-key"),
        create(endpoint, "--key-stdin", "--key-env", "MY_KEY"),
        create(endpoint, "--key-env", "NOT_SET"),
        create(endpoint, "--key-stdin"),
        ("update", "main"),
        ("update", "main", "--remove-key", "--key-env", "MY_KEY"),
    ):
        ran = await gnomon("providers", *words)
        assert ran.status == 2, words
        assert ran.err.startswith("error: ")
        assert KEY not in ran.out + ran.err


async def test_a_judge_is_tried_from_the_command_line(
    gnomon: Gnomon, endpoint: FakeEndpoint, registry: FakeRegistry
) -> None:
    registry.metrics["metrics/toxicity"] = with_prompt(registry.metrics["metrics/toxicity"])
    endpoint.reply = lambda body: completion('{"explanation": "It is [rude].", "label": "true"}')
    await gnomon("providers", *create(endpoint))
    one = ("judge", "try", "toxicity", "--provider", "main", "--input", "Hi", "--output", "Go away.")

    ran = await gnomon(*one, "--votes", "2")
    assert ran.status == 0, ran.err
    assert ran.out.splitlines()[0] == "true  It is [rude]."
    assert "shares of 2 votes" in ran.out
    assert "40 input and 10 output tokens" in ran.out
    document = json.loads((await gnomon(*one, "--json")).out)
    assert document["results"][0]["judgement"]["label"] == "true"
    endpoint.reply = lambda body: completion("APPROVED")
    ran = await gnomon(*one)
    assert (ran.status, "gave no vote in 3 answers" in ran.out) == (1, True)
    ran = await gnomon(*one, "--max-tokens", "10")
    assert "The budget does not hold another call" in ran.out
    assert (await gnomon(*one[:5])).status == 2


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_client_has_many_instances_judged(
    trainer: Trainer, endpoint: FakeEndpoint, registry: FakeRegistry, kind: str
) -> None:
    registry.metrics["metrics/toxicity"] = with_prompt(registry.metrics["metrics/toxicity"])
    endpoint.reply = lambda body: completion('{"explanation": "", "label": "false"}')
    async with connected(kind, trainer.app.server.address) as client:
        await client.providers.create("main", base_url=endpoint.url, model="m")
        rows = [{"input": "Hi", "output": "Ho"}] * 30 + [{"input": "Hi"}]
        judged = await client.judges.judge("toxicity", rows, provider="main")

    assert [result.judgement.label for result in judged.results[:30]] == ["false"] * 30
    assert "output" in judged.results[30].error.message
