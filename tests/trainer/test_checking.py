"""A dataset is looked at more closely when someone asks for it."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from gnomon.errors import InternalError, NotFoundError
from gnomon.names import DatasetName
from gnomon.rendering import Rendered
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer import wiring
from gnomon_trainer.adapters import label_probing, probe_process
from gnomon_trainer.adapters.label_probe import ProcessProbe
from gnomon_trainer.domain.label_checks import LEAST_CLASS_ROWS, MOST_ROWS, Opinion, Suspect, examined
from gnomon_trainer.domain.work import training_plan
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, refused, trainer_at, two_sets

State = resources.Dataset.State
TEXTS = [Rendered(f"text {n}") for n in range(20)]


class FakeProbe:
    """Suspects the rows that it is told to, once `opened` is set."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.asked: list[int] = []
        self.opened, self.entered, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.opened.set()

    async def suspects(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Suspect]:
        self.asked.append(len(texts))
        self.entered.set()
        try:
            await self.opened.wait()
        finally:
            self.left.set()
        return [Suspect(place, 1 - labels[place], 0.1, 0.9) for place in self.places]

    async def opinions(self, texts: Sequence[Rendered], labels: Sequence[int]) -> Sequence[Opinion]:
        return [Opinion(label, 0.9, 0.9, 0.8) for label in labels]


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    probe = FakeProbe()
    monkeypatch.setattr(wiring, "ProcessProbe", lambda *_: probe)
    return probe


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, probe: FakeProbe) -> AsyncIterator[Trainer]:
    async with trainer_at(tmp_path, registry) as trainer:
        yield trainer


def check(trainer: Trainer, name: str = "datasets/train") -> Any:
    return trainer.stub.CheckDataset(pb.CheckDatasetRequest(name=name))


async def state_of(trainer: Trainer) -> Any:
    return (await trainer.stub.GetDataset(pb.GetDatasetRequest(name="datasets/train"))).state


async def test_labels_that_are_likely_wrong_are_shown_and_repeated_by_a_run(
    trainer: Trainer, probe: FakeProbe
) -> None:
    await two_sets(trainer)
    probe.places = [6, 3]

    answer = await check(trainer)

    assert codes(answer.dataset.findings) == ["LIKELY_MISLABELLED"]
    assert list(answer.dataset.findings[0].rows) == [4, 7]
    assert answer.dataset.state == State.VALIDATED_WITH_WARNINGS
    worst = answer.suspect_labels[0]
    assert (worst.row, worst.label, worst.suggested_label) == (7, "true", "false")
    assert worst.instance.span.output[0].content == "answer 6"
    assert worst.label_probability == pytest.approx(0.1)
    (repeated,) = (await trainer.create_run()).findings
    assert repeated.message.startswith("datasets/train@1: 2 of 300 rows are likely mislabelled")


async def test_a_dataset_without_fault_stays_validated(trainer: Trainer, probe: FakeProbe) -> None:
    await two_sets(trainer)

    answer = await check(trainer)

    assert (answer.dataset.state, list(answer.dataset.findings)) == (State.VALIDATED, [])
    assert probe.asked == [300]


async def test_rows_that_differ_in_a_word_and_in_their_label_are_named(trainer: Trainer) -> None:
    rows = labelled_rows(300)
    said = "I would gladly send the parcel back to your warehouse in Utrecht"
    rows[7] |= {"input": "Where to?", "output": f"{said} tomorrow", "label": True}
    rows[9] |= {"input": "Where to?", "output": f"{said} yesterday", "label": False}
    await trainer.upload(jsonl(rows))

    (found,) = (await check(trainer)).dataset.findings

    assert (found.code, list(found.rows), list(found.matches)) == ("NEAR_CONFLICTING_LABELS", [10], [8])


async def test_a_dataset_is_validating_while_it_is_looked_at(trainer: Trainer, probe: FakeProbe) -> None:
    await two_sets(trainer)
    probe.opened.clear()

    call = asyncio.ensure_future(check(trainer))
    await probe.entered.wait()
    assert await state_of(trainer) == State.VALIDATING
    probe.opened.set()
    await call

    assert await state_of(trainer) == State.VALIDATED


async def test_a_caller_who_leaves_ends_the_check(trainer: Trainer, probe: FakeProbe) -> None:
    await two_sets(trainer)
    probe.opened.clear()
    call = check(trainer)
    asyncio.get_running_loop().create_task(probe.entered.wait()).add_done_callback(lambda _: call.cancel())

    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(10):
        await probe.left.wait()
        while await state_of(trainer) == State.VALIDATING:
            await asyncio.sleep(0.02)


async def test_a_dataset_that_no_run_can_use_has_failed(trainer: Trainer, probe: FakeProbe) -> None:
    rows = [row | {"label": True} for row in labelled_rows(300)]
    uploaded = (await trainer.upload(jsonl(rows))).dataset
    assert uploaded.state == State.FAILED

    answer = await check(trainer)

    assert codes(answer.dataset.findings) == ["ONE_CLASS_ONLY"]
    assert (answer.dataset.state, probe.asked) == (State.FAILED, [])


async def test_a_dataset_whose_rows_are_gone_has_failed(trainer: Trainer) -> None:
    await two_sets(trainer)
    dataset = trainer.app.datasets.get(DatasetName("train"))
    for file in (trainer.app.settings.data_dir / "datasets").rglob(f"*{dataset.digest}*"):
        file.unlink()

    answer = await check(trainer)

    assert codes(answer.dataset.findings) == ["ROWS_UNREADABLE"]
    assert await state_of(trainer) == State.FAILED


async def test_a_dataset_that_is_not_there_cannot_be_checked(trainer: Trainer) -> None:
    assert isinstance(await refused(check(trainer, "datasets/absent")), NotFoundError)


async def test_a_run_leaves_out_rows_that_differ_in_a_word_from_the_test_set(trainer: Trainer) -> None:
    said = "I would gladly send the parcel back to your warehouse in Utrecht"
    test = labelled_rows(160, start=1000)
    test[3] |= {"input": "Where to?", "output": f"{said} tomorrow"}
    training = [*labelled_rows(300), test[3] | {"output": f"{said.upper()}, yesterday"}]
    await trainer.upload(jsonl(training), dataset_id="train")
    await trainer.upload(jsonl(test), dataset_id="test")

    run = await trainer.create_run()

    (found,) = run.findings
    assert (found.code, list(found.rows), list(found.matches)) == ("OVERLAP_NEAR", [301], [4])
    (queued,) = trainer.app.runs.page(frozenset({"demo"}), None, 1)
    assert queued.spec.left_out == (301,)
    learned = training_plan(queued, trainer.app.rows).training_rows
    assert [row.number for row in learned] == list(range(1, 301))


# -------------------------------------------------------------------------- probe


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import sys; sys.stdin.read(); exit(3)"])
async def test_a_probe_that_is_not_waited_for_is_killed_and_one_that_breaks_is_told(code: str) -> None:
    others = set(psutil.Process().children())
    probe = ProcessProbe(None, (sys.executable, "-c", code))
    call = asyncio.ensure_future(probe.suspects(TEXTS, [0, 1] * 10))
    if "sleep" in code:
        async with asyncio.timeout(10):
            while not set(psutil.Process().children()) - others:
                await asyncio.sleep(0.02)
        call.cancel()

    with pytest.raises(asyncio.CancelledError if "sleep" in code else InternalError):
        await call
    assert set(psutil.Process().children()) <= others


def rows_with_flipped_labels() -> tuple[list[str], list[int], set[int]]:
    """Return texts, labels of which some are wrong, and the places of those."""
    chooser = random.Random(0)
    said = {0: ["sun", "light", "calm", "warm", "clear"], 4: ["storm", "dark", "cold", "wild", "grey"]}
    labels = [chooser.choice([0, 4]) for _ in range(200)]
    texts = [" ".join(chooser.choices(said[label], k=6)) for label in labels]
    flipped = set(chooser.sample(range(200), 12))
    return texts, [4 - label if n in flipped else label for n, label in enumerate(labels)], flipped


def test_flipped_labels_are_suspected() -> None:
    texts, labels, flipped = rows_with_flipped_labels()

    found = label_probing.suspects([(text, None) for text in texts], np.array(labels), "")

    right = [suspect for suspect in found if suspect["place"] in flipped]
    assert len(right) >= 0.75 * len(flipped)
    assert len(right) >= 0.75 * len(found)
    assert all(suspect["suggested"] == 4 - labels[suspect["place"]] for suspect in right)


def test_flipped_labels_are_the_least_believed() -> None:
    texts, labels, flipped = rows_with_flipped_labels()

    found = label_probing.opinions([(text, None) for text in texts], np.array(labels), "")

    assert len(found) == len(texts)
    order = sorted(range(len(found)), key=lambda place: found[place]["label_probability"])
    assert len(flipped & set(order[: len(flipped)])) >= 0.75 * len(flipped)
    for place, said in enumerate(found):
        assert 0 <= said["label_probability"] <= said["expected_probability"] <= 1
        assert said["margin"] == pytest.approx(2 * said["expected_probability"] - 1)  # of two classes
        assert said["expected"] in (0, 4)
        believed = said["expected"] == labels[place]
        assert believed == (said["label_probability"] == said["expected_probability"])


@pytest.mark.slow
async def test_the_probe_in_its_own_process_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_process, "BASE_MODEL", "./absent")
    texts, labels, _ = rows_with_flipped_labels()

    found = await ProcessProbe(None).suspects([Rendered(text) for text in texts], labels)

    expected = label_probing.suspects([(text, None) for text in texts], np.array(labels), "")
    assert [asdict(suspect) for suspect in found] == expected
    opinions = await ProcessProbe(None).opinions([Rendered(text) for text in texts], labels)
    whole = label_probing.opinions([(text, None) for text in texts], np.array(labels), "")
    assert [asdict(opinion) for opinion in opinions] == whole


def test_a_probe_is_asked_about_classes_with_enough_rows_and_not_too_many() -> None:
    labels = [0] * 50 + [1] * (LEAST_CLASS_ROWS - 1) + [2] * 50

    assert examined(labels) == [n for n, label in enumerate(labels) if label != 1]
    many = examined([0, 1] * MOST_ROWS)
    assert len(many) == len(set(many)) == MOST_ROWS


async def test_a_probe_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_TRAINER_MASTER_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    tell = "import json, os; print(json.dumps(dict(os.environ)))"

    told = await probe_process.ask((sys.executable, "-c", tell), {}, "nothing")
    assert "PATH" in told
    assert "secret" not in told.values()
