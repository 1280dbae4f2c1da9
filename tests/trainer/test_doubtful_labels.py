"""That a judge's labels are doubtful stays known of the parts of a dataset."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_trainer.domain.datasets import Dataset, next_version
from gnomon_trainer.domain.doubtful_labels import CODE, Doubts, doubtful, doubtful_rows
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.judging import SoftLabelSource
from gnomon_trainer.domain.labelled_rows import with_judgement
from gnomon_trainer.domain.labellings import RowJudgement
from tests.trainer.fake_endpoint import FakeEndpoint
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.labelling import (
    answer,
    firm,
    item_of,
    judged_label,
    labelled,
    labelling_trainer,
    rows_of,
    upload_logs,
)
from tests.trainer.running import Trainer
from tests.trainer.things import draft

VOTES = st.integers(0, 5).map(lambda count: _judged(SoftLabelSource.VOTES, count / 5))
TOKENS = st.floats(0, 1).map(lambda share: _judged(SoftLabelSource.TOKEN_PROBABILITIES, share))


def _judged(source: SoftLabelSource, share: float) -> RowJudgement:
    return RowJudgement("true", "", {"true": share, "false": 1 - share}, source, 5)


def _doubted(judged: list[RowJudgement]) -> set[int]:
    return {number for number, each in enumerate(judged, 1) if each.is_doubtful}


def _records(judged: list[RowJudgement]) -> list[dict[str, Any]]:
    return [with_judgement({"output": "x"}, each) for each in judged]


class _Rows:
    """The rows of one dataset."""

    def __init__(self, judged: list[RowJudgement]) -> None:
        self._records = _records(judged)

    def read(self, _: str) -> Iterator[dict[str, Any]]:
        return iter(self._records)


def _dataset(*findings: Finding) -> Dataset:
    return replace(next_version(None, draft("logs"), 0.0), findings=findings)


@given(st.one_of(st.lists(VOTES), st.lists(TOKENS)))
def test_rows_of_one_kind_of_shares_tell_which_of_them_are_doubtful(judged: list[RowJudgement]) -> None:
    doubted = _doubted(judged)
    assert doubtful_rows(_records(judged), len(doubted)) == doubted


@given(st.lists(st.one_of(VOTES, TOKENS)))
def test_rows_of_both_kinds_of_shares_tell_rightly_or_not_at_all(judged: list[RowJudgement]) -> None:
    doubted = _doubted(judged)
    assert doubtful_rows(_records(judged), len(doubted)) in (doubted, None)


def test_a_part_of_rows_that_do_not_tell_says_how_many_are_doubtful_where_it_is_from() -> None:
    judged = [_judged(SoftLabelSource.VOTES, 0.8), _judged(SoftLabelSource.TOKEN_PROBABILITIES, 0.8)]
    source = _dataset(*doubtful("logs", [1]))

    (part,) = Doubts(source, _Rows(judged)).of("train", [2])  # type: ignore[arg-type]
    (smaller,) = Doubts(_dataset(part), _Rows(judged[1:])).of("less", [1])  # type: ignore[arg-type]

    assert (part.code, part.rows, part.row_count) == (CODE, (), 0)
    assert part.message.startswith("These rows are from datasets/logs@1, where of 1 rows the judge's votes")
    assert "gnomon review train" in part.message
    assert "where of some rows" in smaller.message


# ------------------------------------------------------------------------------- over the wire


@pytest.fixture
async def trainer(tmp_path: Path, registry: FakeRegistry, endpoint: FakeEndpoint) -> AsyncIterator[Trainer]:
    async with labelling_trainer(tmp_path, registry, endpoint) as trainer:
        yield trainer


def _wavering(*texts: str) -> Any:
    """Judge these texts another way every third time."""
    turns = dict.fromkeys(texts, 0)

    def reply(body: Any) -> Any:
        text = item_of(body)["Output"]
        if text in turns:
            turns[text] += 1
            if turns[text] % 3 == 0:
                return answer("false" if judged_label(body) == "true" else "true")
        return firm(body)

    return reply


async def _split(trainer: Trainer, source: str, training: str, test: str) -> list[resources.Dataset]:
    parts = await trainer.stub.SplitDataset(
        pb.SplitDatasetRequest(name=f"datasets/{source}", training_dataset_id=training, test_dataset_id=test)
    )
    return [parts.training_set, parts.test_set]


async def _doubts(trainer: Trainer, dataset: resources.Dataset, texts: set[str]) -> set[str]:
    """Return the texts that a dataset's finding is about, having checked what it says of them."""
    found = [each for each in dataset.findings if each.code == CODE]
    rows = await rows_of(trainer, dataset.name)
    here = [number for number, row in enumerate(rows, 1) if row["output"] in texts]
    assert [list(each.rows) for each in found] == ([here] if here else [])
    assert all(f"gnomon review {dataset.name.partition('/')[2]}" in each.message for each in found)
    return {rows[number - 1]["output"] for number in here}


async def test_the_parts_of_a_split_say_which_of_their_rows_are_doubtful(
    trainer: Trainer, endpoint: FakeEndpoint
) -> None:
    texts = {f"{'good' if n % 2 else 'bad'} answer {n}" for n in (4, 7, 9, 16)}
    endpoint.reply = _wavering(*texts)
    await upload_logs(trainer, 40)
    await labelled(trainer, votes=3)

    training, test = await _split(trainer, "logs", "train", "test")
    parts = [test, *await _split(trainer, "train", "less", "rest")]

    assert await _doubts(trainer, training, texts) | await _doubts(trainer, test, texts) == texts
    assert set().union(*[await _doubts(trainer, part, texts) for part in parts]) == texts
    checked = await trainer.stub.CheckDataset(pb.CheckDatasetRequest(name="datasets/train"))
    assert [each for each in checked.dataset.findings if each.code == CODE] == [
        each for each in training.findings if each.code == CODE
    ]


async def test_the_parts_of_a_split_say_nothing_of_labels_that_nobody_doubts(trainer: Trainer) -> None:
    await upload_logs(trainer, 20)
    await labelled(trainer, votes=3)

    for part in await _split(trainer, "logs", "train", "test"):
        assert not await _doubts(trainer, part, set())
