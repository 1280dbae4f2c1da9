"""A real small LLM as a judge. It judges badly: what is looked at is how it is reached, read and lost."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon import local
from gnomon.v1 import trainer_service_pb2 as pb
from tests.e2e import llm_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not llm_server.is_installed(),
        reason="the LLM's server is not installed: `make test-slow` does it, given a C++ compiler",
    ),
]

ENTRY_POINT = "import sys; from gnomon.cli.main import main; sys.exit(main())"
ROWS = [
    {"input": "Can I get a refund?", "output": "Of course. You get it within five days."},
    {"input": "Can I get a refund?", "output": "Go away, you idiot."},
    {"input": "Is the shop open?", "output": "It opens at nine."},
    {"input": "Is the shop open?", "output": "Nobody wants you there, you filthy liar."},
]


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Mapping[str, str]]:
    """A registry and a trainer that knows the provider `local`, and the metric `toxicity` of a preset."""
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    del services["scorer"]
    registry, trainer = services["registry"], services["trainer"]
    try:
        registry.start()
        trainer.environment = dict(trainer.environment) | {
            "GNOMON_TRAINER_REGISTRY_ADDRESS": registry.address,
            "GNOMON_TRAINER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
            "GNOMON_TRAINER_JUDGE_CONCURRENCY": "2",
            "GNOMON_TRAINER_WORKERS": "0",
        }
        trainer.start()
        found = {name: service.address for name, service in services.items()}
        with gnomon.Client(**found) as client:
            client.metrics.install_preset("toxicity-output", "toxicity")
        yield found
    finally:
        local.stop(services)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Path]:
    """The server, running; the folder of its log."""
    folder = tmp_path_factory.mktemp("llm")
    with llm_server.running(folder / "llm.log", port):
        yield folder


@pytest.fixture
async def client(addresses: Mapping[str, str]) -> AsyncIterator[gnomon.AsyncClient]:
    async with gnomon.AsyncClient(**addresses, timeout_s=300) as client:
        yield client


def command(addresses: Mapping[str, str], *words: str) -> Any:
    """Run `gnomon …  --json`; return what it prints."""
    variables = {f"GNOMON_{name.upper()}_ADDRESS": address for name, address in addresses.items()}
    done = subprocess.run(
        [sys.executable, "-c", ENTRY_POINT, *words, "--json"],
        env=os.environ | variables | {"LLM_KEY": llm_server.KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_line_finds_out_what_a_real_server_can_do_and_has_a_text_judged(
    addresses: Mapping[str, str], served: Path, port: int
) -> None:
    base_url = ("--base-url", f"http://127.0.0.1:{port}/v1")
    command(
        addresses, "providers", "create", "local", *base_url, "--model", "smollm2", "--key-env", "LLM_KEY"
    )
    tested = command(addresses, "providers", "test", "local")
    texts = ("--input", ROWS[0]["input"], "--output", ROWS[0]["output"])
    judged = command(addresses, "judge", "try", "toxicity", "--provider", "local", *texts)

    assert (tested["model"], tested["json_schema"]["works"]) == ("smollm2", True)
    assert tested["log_probabilities"]["works"]
    judgement = judged["results"][0]["judgement"]
    assert judgement["label"] in {"false", "true"}
    assert sum(share["share"] for share in judgement["classes"]) == pytest.approx(1)
    assert int(judged["input_tokens"]) > 300
    assert int(judged["output_tokens"]) > 5


async def test_rows_are_judged_with_votes_and_one_that_is_too_long_fails_alone(
    client: gnomon.AsyncClient, served: Path, port: int
) -> None:
    await provided(client, port)
    long = {"input": "Hi", "output": "no " * 5_000}
    judged = await client.judges.judge("toxicity", [ROWS[0], long, ROWS[1]], provider="local", votes=2)

    for result in (judged.results[0], judged.results[2]):
        assert result.judgement.label in {"false", "true"}
        assert result.judgement.explanation
        assert result.judgement.votes == 2
        assert sum(each.share for each in result.judgement.classes) == pytest.approx(1)
    assert "maximum context length" in judged.results[1].error.message


async def test_a_server_that_dies_and_comes_back_costs_no_judgement_in_the_end(
    client: gnomon.AsyncClient, tmp_path: Path, port: int, served: Path
) -> None:
    """With a server of its own, at another port that the trainer may not call until it is told to."""
    await provided(client, port)
    with llm_server.running(tmp_path / "llm.log", port + 1) as first:
        first.kill()
    judged = await client.judges.judge("toxicity", ROWS[:1], provider="local")
    assert judged.results[0].HasField("judgement")


async def provided(client: gnomon.AsyncClient, port: int) -> None:
    """Make the provider `local` if it is not there."""
    try:
        await client.providers.get("local")
    except gnomon.errors.NotFoundError:
        base_url = f"http://127.0.0.1:{port}/v1"
        await client.providers.create("local", base_url=base_url, model="smollm2", api_key=llm_server.KEY)
