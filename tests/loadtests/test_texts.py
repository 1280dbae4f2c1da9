import json
from pathlib import Path

import pytest

from gnomon.errors import InvalidRequestError, NotFoundError
from gnomon.instances import Span
from loadtests.mix import Fixed
from loadtests.texts import Texts, packaged_rows, read_rows


def size(span: Span) -> int:
    return sum(len(one.content) for one in (*span.input, *span.output, *span.documents))


def test_packaged_texts_fill_input_and_output() -> None:
    span = Texts(packaged_rows()).draw(400)
    assert isinstance(span, Span)
    assert span.input[0].content
    assert span.output[0].content
    assert 350 < size(span) < 450


def test_no_two_instances_are_alike() -> None:
    texts = Texts([{"output": "same"}])
    drawn = [texts.draw(20) for _ in range(500)]
    assert len(set(drawn)) == 500


def test_the_same_seed_draws_the_same_texts() -> None:
    first, again = (Texts(packaged_rows(), seed=4).mix(Fixed((50,), (1.0,)), 5) for _ in range(2))
    assert first == again


def test_longer_inputs_are_asked_for_with_longer_texts() -> None:
    texts = Texts(packaged_rows())
    short, long = (texts.mix(Fixed((tokens,), (1.0,)), 1)[0][0] for tokens in (16, 512))
    assert size(long) > 10 * size(short)  # type: ignore[arg-type]


def test_rows_of_a_file_are_read_as_texts_and_as_json(tmp_path: Path) -> None:
    plain = tmp_path / "texts.txt"
    plain.write_text("one text\n\nanother\n")
    assert read_rows(plain) == [
        {"input": "one text", "output": "one text"},
        {"input": "another", "output": "another"},
    ]
    rows = tmp_path / "rows.jsonl"
    given = [{"input": "a", "label": True}, {"text": "b"}, "c", {"output": [{"content": "d"}]}]
    rows.write_text("".join(json.dumps(row) + "\n" for row in given))
    assert read_rows(rows) == [
        {"input": "a"},
        {"input": "b", "output": "b"},
        {"input": "c", "output": "c"},
        {"output": "d"},
    ]


@pytest.mark.parametrize("line", ["{", '{"label": 1}', "3"])
def test_a_row_that_holds_no_text_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "a"}\n' + line)
    with pytest.raises(InvalidRequestError, match="line 2"):
        read_rows(path)


def test_no_file_and_no_texts_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_rows(tmp_path / "none")
    with pytest.raises(InvalidRequestError):
        Texts([])
