"""Rows that are longer than an evaluator reads at once are told of before a run is queued."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from gnomon.bundle import Windows
from gnomon.cells import instance
from gnomon.errors import BaseModelMissingError
from gnomon.instances import InputShape, Step, text_span
from gnomon.rendering import Rendered
from gnomon.tokens import Reading
from gnomon_trainer.adapters.token_readers import BaseModelTokenizers
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.lengths import length_findings
from gnomon_trainer.domain.training import Row
from tests.trainer.running import Trainer, codes, jsonl, labelled_rows, two_sets
from tests.trainer.things import PARAMETERS, TOXICITY

SHORT = replace(PARAMETERS, max_tokens=16)


def write_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text(tokenizer.to_str())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path / "model")
    return tmp_path / "model"


def found_in(words: Sequence[int], model: Path, stride: int = 0) -> list[Finding]:
    """Return what is found of rows whose inputs have so many words."""
    rows = [Row(n, text_span(input="word " * count, output="a"), "true") for n, count in enumerate(words, 1)]
    parameters = replace(SHORT, window_stride=stride, max_windows=2)
    readers = BaseModelTokenizers(None)
    return list(
        length_findings(
            "training", rows, TOXICITY, readers=readers, base_model=str(model), parameters=parameters
        )
    )


def test_what_is_cut_is_told(model: Path) -> None:
    (found,) = found_in([3, 40, 12, 90], model)

    assert (found.code, found.rows) == ("CUT_ROWS", (2, 4))
    assert "longer than 16 tokens: what lies beyond is not read" in found.message


def test_what_is_read_in_windows_is_told_apart_from_what_is_cut(model: Path) -> None:
    long, cut = found_in([3, 18, 12, 90], model, stride=8)

    assert (long.code, long.rows) == ("LONG_ROWS", (2, 4))
    assert "in windows, 8 tokens apart" in long.message
    assert (cut.code, cut.rows) == ("CUT_ROWS", (4,))
    assert "2 windows of 16 tokens reach" in cut.message


def test_of_sessions_it_is_told_how_they_are_shortened(model: Path) -> None:
    chats = [[{"role": "user", "content": "word " * count}] for count in (3, 90)]
    rows = [Row(n, instance({"messages": chat}, Step.SESSION), "true") for n, chat in enumerate(chats, 1)]
    metric = replace(TOXICITY, step=Step.SESSION, input_shape=InputShape.WHOLE_SESSION)
    parameters = replace(SHORT, window_stride=8, max_windows=64)

    (found,) = length_findings(
        "test", rows, metric, readers=BaseModelTokenizers(None), base_model=str(model), parameters=parameters
    )

    assert (found.code, found.rows) == ("CUT_ROWS", (2,))
    assert "longer than 16 tokens and are shortened" in found.message


def test_short_rows_need_no_tokenizer(tmp_path: Path) -> None:
    class NoReaders:
        def read(
            self, base_model: str, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
        ) -> Sequence[Reading]:
            raise BaseModelMissingError("None is at hand.")

    rows = [Row(1, text_span(input="q", output="yes"), "true")]
    parameters = replace(PARAMETERS, max_tokens=64)

    assert not list(
        length_findings("test", rows, TOXICITY, readers=NoReaders(), base_model="", parameters=parameters)
    )


async def test_a_run_says_how_many_rows_are_cut(trainer: Trainer, tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "model")
    await two_sets(trainer)
    rows = labelled_rows(300)
    rows[4]["output"] = " ".join(f"word{n}" for n in range(100))
    await trainer.upload(jsonl(rows), dataset_id="train")

    run = await trainer.create_run()

    assert codes(run.findings) == ["CUT_ROWS"]
    assert list(run.findings[0].rows) == [5]
