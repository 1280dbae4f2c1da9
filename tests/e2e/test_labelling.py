"""Labelling as a user does it: through both clients and the command line, against a real trainer."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gnomon import errors
from gnomon.cli.main import main
from gnomon.v1 import labellings_pb2 as pb
from tests.sdk.serving import collected, connected
from tests.trainer.fake_endpoint import FakeEndpoint, failure, fake_endpoint
from tests.trainer.fake_registry import FakeRegistry, fake_registry
from tests.trainer.labelling import answer, firm, item_of, labelled_logs, labelling_trainer, logs
from tests.trainer.running import Trainer


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeEndpoint]:
    async with fake_endpoint() as endpoint:
        endpoint.reply = firm
        yield endpoint


@pytest.fixture
async def registry() -> AsyncIterator[FakeRegistry]:
    async with fake_registry() as registry:
        yield registry


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, rows in (("logs", logs(12)), ("test", labelled_logs(12, wrong=[0, 1, 3]))):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_both_clients_label_validate_and_compare(
    trainer: Trainer, endpoint: FakeEndpoint, files: Path, kind: str
) -> None:
    async with connected(kind, trainer.app.server.address) as client:
        stored = await client.datasets.upload(
            "logs", files / "logs.jsonl", metric="toxicity", unlabelled=True
        )
        assert stored.dataset.unlabelled
        await client.datasets.upload("test", files / "test.jsonl", metric="toxicity")

        seen: list[int] = []
        operation = await client.labellings.label("logs", provider="main", labelling_id="l", votes=2)
        done = await operation.result(20, lambda now: seen.append(now.progress.judged_count))
        assert (done.labelled_dataset, done.canaries.count) == ("datasets/logs@2", 12)
        assert seen == sorted(seen)
        assert await operation.done()
        with pytest.raises(errors.DatasetLabelledError):
            await client.labellings.label("logs", provider="main")

        for name, prompt in (("a", ""), ("b", "Rude?")):
            operation = await client.labellings.validate(
                "test", provider="main", labelling_id=name, judge_prompt=prompt, canary_count=0
            )
            await operation.result(20)
        assert [found.name for found in await collected(client.labellings.list())] == [
            "labellings/b",
            "labellings/a",
            "labellings/l",
        ]
        assert [row.row for row in await collected(client.labellings.wrong_rows("a"))] == [1, 2, 4]
        found = await client.labellings.compare("a", "b")
        assert (found.comparison.rows, found.comparison.only_first_right) == (12, 0)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_spent_budget_is_raised_and_a_larger_one_resumes(
    trainer: Trainer, files: Path, kind: str
) -> None:
    async with connected(kind, trainer.app.server.address) as client:
        await client.datasets.upload("logs", files / "logs.jsonl", metric="toxicity", unlabelled=True)
        operation = await client.labellings.label(
            "logs", provider="main", labelling_id="l", budget=pb.JudgeBudget(max_tokens=600), canary_count=0
        )
        with pytest.raises(errors.JudgeBudgetSpentError):
            await operation.result(20)
        await operation.cancel()  # it has ended: nothing happens
        resumed = await client.labellings.resume("labellings/l", budget=pb.JudgeBudget(max_tokens=100_000))
        assert (await resumed.result(20)).progress.judged_count == 12
        with pytest.raises(errors.WorkStateError):
            await client.labellings.resume("l")


class CommandLine:
    """Runs `gnomon` against the trainer."""

    def __init__(self, trainer: Trainer, capsys: pytest.CaptureFixture[str]) -> None:
        self._address = trainer.app.server.address
        self._capsys = capsys

    async def __call__(self, *words: object, status: int = 0) -> str:
        given = [*map(str, words), "--trainer", self._address]
        assert await asyncio.to_thread(main, given) == status, self._capsys.readouterr()
        return self._capsys.readouterr().out


@pytest.fixture
def gnomon(trainer: Trainer, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(trainer, capsys)


async def test_the_command_line_labels_and_tells_what_to_review(
    gnomon: CommandLine, endpoint: FakeEndpoint, files: Path
) -> None:
    turns: list[str] = []

    def divided(body: Any) -> Any:
        text = item_of(body)["Output"]
        turns.append(text)
        return answer("false") if text == "bad answer 4" and turns.count(text) == 2 else firm(body)

    endpoint.reply = divided
    out = await gnomon(
        "datasets", "upload", "logs", files / "logs.jsonl", "--metric", "toxicity", "--unlabelled"
    )
    assert "12 rows (unlabelled)" in out
    assert "UNLABELLED" in out

    out = await gnomon(
        "judge", "label", "logs", "--provider", "main", "--votes", 3, "--id", "first", "--canaries", 4,
        "--input-price", 1, "--max-cost", 10,
    )  # fmt: skip
    assert "LABELLED: 12 of 12 rows" in out
    assert "Made datasets/logs@2." in out
    assert "1 rows should be reviewed: gnomon review logs" in out
    assert "it followed 0 of 4 instructions" in out
    assert "12/12" in await gnomon("judge", "list")
    assert "labellings/first" in await gnomon("judge", "show", "first")
    told = json.loads(await gnomon("judge", "watch", "first", "--json"))
    assert (told["state"], told["doubtful_count"]) == ("LABELLED", 1)


async def test_the_command_line_shows_a_validation_and_two_prompts_side_by_side(
    gnomon: CommandLine, endpoint: FakeEndpoint, files: Path
) -> None:
    await gnomon("datasets", "upload", "test", files / "test.jsonl", "--metric", "toxicity")
    for name in ("one", "two"):
        (files / name).write_text(f"Prompt {name}?")
    words = ("judge", "validate", "toxicity", "--provider", "main", "--test-set", "test", "--canaries", 0)

    out = await gnomon(*words, "--id", "first")
    for expected in ("agreement", "kappa", "0.750", "By class", "Confusion", "gnomon judge wrong first"):
        assert expected in out
    assert "Because." in await gnomon("judge", "wrong", "first")

    out = await gnomon(*words, "--prompt-file", files / "one", "--prompt-file", files / "two")
    assert "A less B" in out
    assert "may be chance" in out
    out = await gnomon(*words, "--id", "second", "--compare-with", "first")
    assert "A is labellings/first, B is labellings/second" in out
    assert "Only A is right on 0 rows" in await gnomon("judge", "compare", "first", "second")
    await gnomon("judge", "validate", "topic", *words[3:], status=1)


async def test_the_command_line_stops_resumes_and_says_how(
    gnomon: CommandLine, endpoint: FakeEndpoint, files: Path
) -> None:
    await gnomon("datasets", "upload", "logs", files / "logs.jsonl", "--metric", "toxicity", "--unlabelled")
    words = ("judge", "label", "logs", "--provider", "main", "--id", "first", "--canaries", 0)

    out = await gnomon(*words, "--max-tokens", 600, status=1)
    assert "The budget does not hold another call" in out
    assert "gnomon judge resume first" in out
    assert "LABELLED" in await gnomon("judge", "resume", "first", "--max-tokens", 100_000)

    endpoint.reply = lambda body: failure("401 Unauthorized")
    out = await gnomon("judge", "label", "logs@1", "--provider", "main", "--id", "second", "--no-wait")
    assert "gnomon judge watch second" in out
    await gnomon("judge", "watch", "second", status=1)
    assert "second is FAILED" in await gnomon("judge", "cancel", "second")


async def test_imported_traffic_is_uploaded_for_a_judge(
    gnomon: CommandLine, trainer: Trainer, files: Path
) -> None:
    spans = [
        {
            "name": "chat", "context": {"trace_id": f"{n:032x}", "span_id": f"{n:016x}"},
            "start_time": "2026-11-01T09:00:00Z", "end_time": "2026-11-01T09:00:01Z",
            "attributes": {
                "openinference.span.kind": "LLM", "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.content": f"question {n}",
                "llm.output_messages.0.message.role": "assistant",
                "llm.output_messages.0.message.content": f"bad answer {n}",
            },
        }
        for n in range(1, 4)
    ]  # fmt: skip
    (files / "spans.jsonl").write_text("".join(json.dumps(span) + "\n" for span in spans))

    out = await gnomon(
        "traffic", "import", files / "spans.jsonl", "--dataset", "captured", "--metric", "toxicity"
    )
    assert "3 rows without labels" in out
    assert "gnomon judge label captured" in out
    assert "LABELLED: 3 of 3" in await gnomon("judge", "label", "captured", "--provider", "main")
    await gnomon("traffic", "import", files / "spans.jsonl", "--dataset", "captured", status=2)
    await gnomon("traffic", "import", files / "spans.jsonl", status=2)
