"""The texts of the benchmark: 70 % short, 20 % long prompts, 10 % pairs of an output and its documents.

A pair is one text here, output first: the peers read single texts only, and all shall
read the same tokens.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gnomon import examples

_SHARES = {"short": 0.7, "long": 0.2, "pair": 0.1}
# Deciles 10 % to 90 % of the lengths in characters of the public prompts and pairs.
_LONG_CHARACTERS = (74, 101, 335, 496, 684, 866, 1130, 1766, 2868)
_PAIR_CHARACTERS = (766, 1038, 1366, 1574, 2066, 2622, 2933, 3363, 5816)


FILES = ("banking77.jsonl", "davidson_hate.jsonl", "jailbreak_itw.jsonl", "summedits.jsonl")


def usable(data: Path | None) -> Path | None:
    """Return the folder if all files are in it."""
    return data if data and all((data / name).is_file() for name in FILES) else None


def mixed(data: Path | None, count: int, seed: int = 0) -> list[str]:
    """Return `count` distinct texts in random order; from the packaged examples if `data` is None."""
    draw = random.Random(seed)
    pools = _public(data) if data else _packaged(draw)
    texts: list[str] = []
    for kind, share in _SHARES.items():
        texts += draw.sample(sorted(set(pools[kind])), round(share * count))
    draw.shuffle(texts)
    return texts


def _public(data: Path) -> dict[str, list[str]]:
    return {
        "short": [row["input"] for name in ("banking77", "davidson_hate") for row in _rows(data, name)],
        "long": [row["input"] for row in _rows(data, "jailbreak_itw")],
        "pair": [pair_text(row["output"], row["context"]) for row in _rows(data, "summedits")],
    }


def pair_text(output: str, documents: Iterable[str]) -> str:
    return "\n\n".join([output, *documents])


def _rows(data: Path, name: str) -> Iterator[dict[str, str]]:
    with (data / f"{name}.jsonl").open(encoding="utf-8") as lines:
        yield from filter(lambda row: row.get("input"), map(json.loads, lines))


def _packaged(draw: random.Random) -> dict[str, list[str]]:
    """Make long texts out of example rows, as long as the public ones are."""
    short = []
    for example in examples.list_examples():
        for file in (example.training_set, example.test_set):
            rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
            short += [row[column] for row in rows for column in ("input", "output") if row.get(column)]
    joined: Callable[[tuple[int, ...]], list[str]] = lambda lengths: [  # noqa: E731
        _joined(short, draw.choice(lengths), draw) for _ in range(1_000)
    ]
    more = [f"{a} {b}" for a, b in zip(short, draw.sample(short, len(short)), strict=True)]
    return {"short": short + more, "long": joined(_LONG_CHARACTERS), "pair": joined(_PAIR_CHARACTERS)}


def _joined(pieces: list[str], characters: int, draw: random.Random) -> str:
    text = draw.choice(pieces)
    while len(text) < characters:
        text += " " + draw.choice(pieces)
    return text[:characters]


def spread(lengths: list[int], count: int) -> list[int]:
    """Return indices of `count` texts whose lengths are spread like those of all."""
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    step = len(by_length) / count
    return [by_length[int((k + 0.5) * step)] for k in range(min(count, len(by_length)))]
