"""`gnomon runs` with a real trainer: from a provider to a version in one command."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon._sync.runs import Runs
from gnomon.cli.main import main
from gnomon.errors import AlreadyExistsError
from gnomon_trainer import judging_wiring
from tests.trainer.fake_endpoint import FakeEndpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.fake_writer import FakeWriter
from tests.trainer.generating import labelled_by_people
from tests.trainer.labelling import get, labelling_trainer, upload_logs
from tests.trainer.running import State, Trainer, jsonl, labelled_rows
from tests.trainer.trainer_with_quick_probe import QuickProbe

RUN = (
    "--project",
    "demo",
    "--metric",
    "toxicity",
    "--test-set",
    "test",
    "--recipe",
    "quick",
    "--allow-small",
)


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging_wiring, "ProcessDriftProbe", QuickProbe)


@pytest.fixture
async def trainer(
    tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint, workers=1, judge_timeout_s=2.0) as trainer:
        monkeypatch.setenv("GNOMON_TRAINER_ADDRESS", trainer.app.server.address)
        yield trainer


async def gnomon(*words: str) -> int:
    return await asyncio.to_thread(main, ["runs", *words])


async def test_one_command_labels_trains_and_ends_with_a_version(
    trainer: Trainer, capsys: pytest.CaptureFixture[str]
) -> None:
    await upload_logs(trainer, 24)
    await trainer.upload(jsonl(labelled_rows(40, start=100_000)), dataset_id="test")

    status = await gnomon(
        "create", *RUN, "--label", "logs", "--provider", "main", "--watch", "--run-id", "first"
    )

    said = capsys.readouterr()
    assert status == 0, said.err
    assert "makes the training set" in said.err
    assert "LABELLING: 0 of 24 rows" in said.err
    assert "Registered metrics/toxicity/versions/1" in said.out


async def test_one_command_generates_takes_the_sample_trains_and_ends_with_a_version(
    trainer: Trainer, endpoint: FakeEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.reply = FakeWriter()
    await trainer.upload(jsonl(labelled_by_people(60)), dataset_id="test")
    options = ("--generate", "--provider", "main", "--rows", "40", "--approve-sample", "--watch")

    status = await gnomon("create", *RUN, *options)

    said = capsys.readouterr()
    assert status == 0, said.err
    assert "gnomon generate approve" in said.err
    assert "is taken" in said.err
    assert "Registered metrics/toxicity/versions/1" in said.out


async def test_what_a_run_is_refused_for_is_said_before_anything_is_paid(
    trainer: Trainer, endpoint: FakeEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await upload_logs(trainer, 24)

    status = await gnomon("create", *RUN, "--label", "logs", "--provider", "main")

    assert (status, "datasets/test" in capsys.readouterr().err) == (1, True)
    assert endpoint.bodies == []


async def test_a_larger_budget_is_given_when_the_run_is_resumed(
    trainer: Trainer, endpoint: FakeEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    await upload_logs(trainer, 24)
    await trainer.upload(jsonl(labelled_rows(40, start=100_000)), dataset_id="test")
    options = ("--label", "logs", "--provider", "main", "--token-budget", "400", "--run-id", "first")
    endpoint.delay_s = 1.5  # so that the run is there before its labelling has failed
    assert await gnomon("create", *RUN, *options) == 0
    endpoint.delay_s = 0.0
    run = await trainer.until(State.FAILED)
    assert await gnomon("create", *RUN, "--labelling", run.labelling) == 1
    assert "Resume it" in capsys.readouterr().err

    assert await gnomon("resume", "demo/first", "--token-budget", "1000000", "--watch") == 0

    assert "Registered" in capsys.readouterr().out
    assert (await get(trainer, run.labelling.partition("/")[2])).budget.max_tokens == 1_000_000


async def test_work_that_was_begun_for_a_run_that_is_refused_is_stopped(
    trainer: Trainer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await upload_logs(trainer, 24)
    await trainer.upload(jsonl(labelled_rows(40, start=100_000)), dataset_id="test")
    monkeypatch.setattr(Runs, "create", refuse)

    assert await gnomon("create", *RUN, "--label", "logs", "--provider", "main") == 1

    said = capsys.readouterr().err
    assert "is cancelled, as the run is refused" in said
    assert "Taken meanwhile." in said


def refuse(*_: Any, **__: Any) -> None:
    raise AlreadyExistsError("Taken meanwhile.")
