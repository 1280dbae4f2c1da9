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
from gnomon.errors import NotFoundError
from tests.e2e import llm_server
from tests.e2e.llm_server import LlmServer

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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlmServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = LlmServer(port, tmp_path_factory.mktemp("llm") / "llm.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory, server: LlmServer) -> Iterator[Mapping[str, str]]:
    """A registry and a trainer that may call the server, with the metric `toxicity` of a preset."""
    services = local.deployment(tmp_path_factory.mktemp("gnomon"))
    del services["scorer"]
    registry, trainer = services["registry"], services["trainer"]
    try:
        registry.start()
        trainer.environment = dict(trainer.environment) | {
            "GNOMON_TRAINER_REGISTRY_ADDRESS": registry.address,
            "GNOMON_TRAINER_ALLOWED_HOSTS": server.base_url.split("/")[2],
            "GNOMON_TRAINER_JUDGE_CONCURRENCY": "1",  # the server has one answer at a time
            "GNOMON_TRAINER_JUDGE_TIMEOUT_S": "120",
            "GNOMON_TRAINER_WORKERS": "0",
        }
        trainer.start()
        found: dict[str, Any] = {name: service.address for name, service in services.items()}
        with gnomon.Client(**found, timeout_s=30) as client:
            client.metrics.install_preset("toxicity-output", "toxicity")
        yield found
    finally:
        local.stop(services)


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


async def provided(client: gnomon.AsyncClient, server: LlmServer) -> None:
    """Make the provider `local` if it is not there."""
    try:
        await client.providers.get("local")
    except NotFoundError:
        await client.providers.create(
            "local", base_url=server.base_url, model="smollm2", api_key=llm_server.KEY
        )


def test_the_command_line_finds_out_what_a_real_server_can_do_and_has_a_text_judged(
    addresses: Mapping[str, str], server: LlmServer
) -> None:
    words = ("local", "--base-url", server.base_url, "--model", "smollm2", "--key-env", "LLM_KEY")
    command(addresses, "providers", "create", *words)
    tested = command(addresses, "providers", "test", "local")
    texts = ("--input", ROWS[0]["input"], "--output", ROWS[0]["output"])
    judged = command(addresses, "judge", "try", "toxicity", "--provider", "local", *texts)

    assert tested["model"] == "smollm2"
    assert tested["json_schema"]["works"], tested
    assert tested["log_probabilities"]["works"], tested
    judgement = judged["results"][0]["judgement"]
    assert judgement["label"] in {"false", "true"}
    assert sum(each.get("share", 0) for each in judgement["classes"]) == pytest.approx(1)
    assert int(judged["input_tokens"]) > 300
    assert int(judged["output_tokens"]) > 5


async def test_rows_are_judged_with_votes_and_one_that_is_too_long_fails_alone(
    client: gnomon.AsyncClient, server: LlmServer
) -> None:
    await provided(client, server)
    long = {"input": "Hi", "output": "no " * 5_000}
    judged = await client.judges.judge("toxicity", [ROWS[0], long, ROWS[1]], provider="local", votes=2)

    for result in (judged.results[0], judged.results[2]):
        assert result.judgement.label in {"false", "true"}, result
        assert result.judgement.explanation
        assert result.judgement.votes == 2
        assert sum(each.share for each in result.judgement.classes) == pytest.approx(1)
    assert "maximum context length" in judged.results[1].error.message


async def test_a_labelling_outlasts_the_death_of_its_server_and_pays_no_row_twice(
    client: gnomon.AsyncClient, server: LlmServer, tmp_path: Path
) -> None:
    await provided(client, server)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    await client.datasets.upload("logs", file, metric="toxicity", unlabelled=True)

    operation = await client.labellings.label("logs", provider="local", labelling_id="one", canary_count=0)
    async with asyncio.timeout(300):
        while not (await client.labellings.get("one")).progress.judged_count:
            await asyncio.sleep(0.1)
    server.kill()
    await asyncio.sleep(1.0)
    server.start()
    done = await operation.result(timeout_s=400)

    assert done.progress.judged_count + done.progress.failed_count == len(ROWS)
    assert done.progress.judged_count >= 1
    assert {failed.reason for failed in done.failures} <= {"PROVIDER_ANSWER_INVALID"}
