"""Instances of wanted lengths, made of the texts of a file or of the packaged examples.

No two are alike, so that a scorer's cache answers none of them.
"""

import json
import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from itertools import count
from pathlib import Path
from typing import Any

import gnomon
from gnomon import examples
from gnomon.errors import GnomonError, InvalidRequestError, NotFoundError
from gnomon.instances import Instance, text_span
from loadtests.mix import Mix

_FIELDS = ("input", "output", "documents")
_PROBES = [12 * 4 ** (n % 4) for n in range(32)]  # characters: short enough for any evaluator


class Texts:
    """Draws instances. Every field that the rows have is filled, in its share of their characters.

    A text is a run of words from a random place of all texts of that field, and begins with a
    number of its own.
    """

    def __init__(self, rows: Iterable[Mapping[str, str]], seed: int = 0) -> None:
        words: dict[str, list[str]] = {}
        for row in rows:
            for field in _FIELDS:
                words.setdefault(field, []).extend(row.get(field, "").split())
        self._words = {field: found for field, found in words.items() if found}
        if not self._words:
            raise InvalidRequestError("There are no texts to make a load of.")
        sizes = {field: sum(map(len, found)) for field, found in self._words.items()}
        self._shares = {field: size / sum(sizes.values()) for field, size in sizes.items()}
        self._random = random.Random(seed)
        self._serial = count(self._random.randrange(10**6, 9 * 10**6))
        self._overhead, self._per_character = 0.0, 0.25  # tokens; until `measure`

    def draw(self, characters: int) -> Instance:
        """Return an instance of about so many characters."""
        texts = {field: self._text(field, characters * share) for field, share in self._shares.items()}
        documents = (texts["documents"],) if "documents" in texts else ()
        return text_span(input=texts.get("input"), output=texts.get("output"), documents=documents)

    def _text(self, field: str, characters: float) -> str:
        words = self._words[field]
        at = self._random.randrange(len(words))
        taken = [str(next(self._serial))]
        left = characters - len(taken[0])
        while left > 0:
            taken.append(words[at])
            left -= len(words[at]) + 1
            at = (at + 1) % len(words)
        return " ".join(taken)

    def measure(self, client: gnomon.Client, metric: str) -> None:
        """Ask the scorer how many tokens the metric reads of our texts; `mix` goes by it from now on.

        It also has the scorer load the version.

        Raises:
            GnomonError: the metric cannot be scored, or does not read spans of these fields.
        """
        probes = [self.draw(characters) for characters in _PROBES]
        sizes, tokens = [], []
        for characters, row in zip(_PROBES, client.score(metric, instances=probes), strict=True):
            outcome = row[metric]
            if isinstance(outcome, GnomonError):
                raise outcome
            if not outcome.truncated:
                sizes.append(characters)
                tokens.append(outcome.token_count)
        if len(set(sizes)) > 1:
            slope, overhead = statistics.linear_regression(sizes, tokens)
            self._per_character, self._overhead = max(slope, 1e-3), overhead

    def mix(self, mix: Mix, number: int) -> tuple[list[Instance], list[int]]:
        """Return so many instances with lengths of a mix, and the tokens each was meant to have."""
        tokens = [mix.draw(self._random) for _ in range(number)]
        return [self.draw(self._characters(one)) for one in tokens], tokens

    def _characters(self, tokens: int) -> int:
        return max(1, round((tokens - self._overhead) / self._per_character))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a file of texts: one a line, or JSON rows (`.jsonl`) of `input`, `output`, `documents`, `text`.

    A bare text is both input and output; the metric reads what it reads.

    Raises:
        NotFoundError: the file cannot be read.
        InvalidRequestError: a row is not of that kind.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"The texts {path} cannot be read: {error}.") from error
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if path.suffix != ".jsonl":
        return [_bare(line) for _, line in rows]
    return [_row(line, f"{path}, line {number}") for number, line in rows]


def _row(line: str, origin: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InvalidRequestError(f"{origin} is not JSON: {error}.") from error
    if isinstance(row, str):
        return _bare(row)
    if isinstance(row, dict) and "text" in row:
        return _bare(str(row["text"]))
    texts = {field: _plain(row[field]) for field in _FIELDS if field in row} if isinstance(row, dict) else {}
    if not texts:
        raise InvalidRequestError(f"{origin} has none of input, output, documents and text.")
    return texts


def _bare(text: str) -> dict[str, str]:
    return {"input": text, "output": text}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_plain(one.get("content", "") if isinstance(one, dict) else one) for one in value)
    return str(value)


def packaged_rows() -> list[dict[str, str]]:
    """Return the test rows of the packaged examples."""
    return [row for one in examples.list_examples() for row in _packaged(one.test_set)]


def _packaged(file: Traversable) -> Sequence[dict[str, str]]:
    return [_row(line, file.name) for line in file.read_text(encoding="utf-8").splitlines()]
