"""A model that writes rows and judges them, for `FakeEndpoint.reply`; a test may have it misbehave."""

import itertools
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.trainer.fake_endpoint import completion

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")
_WORDS = ["".join(parts) for parts in itertools.product(_SYLLABLES, repeat=2)]
RUDE, KIND = "you blithering fool", "with pleasure"

Item = dict[str, Any]


def text_of(number: int) -> str:
    """Return a sentence that differs from those of all other numbers, in most of its words."""
    draw = random.Random(number)
    return " ".join(draw.sample(_WORDS, 12))


def item(label: str, number: int) -> Item:
    """Return what the metric `toxicity` reads, of a class that `judged` recognises."""
    tone = RUDE if label == "true" else KIND
    return {"input": f"About {text_of(2 * number)}?", "output": f"{tone}: {text_of(2 * number + 1)}."}


def judged(shown: Mapping[str, str]) -> str:
    return "true" if any(RUDE in text for text in shown.values()) else "false"


def data_of(body: Mapping[str, Any]) -> Any:
    """Return the data that a request shows between its two markers."""
    return json.loads(body["messages"][1]["content"].split("\n")[1])


def system_of(body: Mapping[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def asks_for_rows(body: Mapping[str, Any]) -> bool:
    return system_of(body).startswith("You write realistic examples")


def wanted_of(body: Mapping[str, Any]) -> tuple[int, str]:
    """Return how many items of which class a request asks for."""
    match = re.search(r'Write (\d+) new items of the class "([^"]*)"', system_of(body))
    assert match
    return int(match[1]), match[2]


@dataclass
class FakeWriter:
    """Writes `make(label, number)` for each item that it is asked for, and judges by `judge`."""

    make: Callable[[str, int], Any] = item
    judge: Callable[[Mapping[str, str]], str] = judged
    number: int = 10_000
    asked: list[Mapping[str, Any]] = field(default_factory=list)  # requests for rows
    judgements: list[Mapping[str, Any]] = field(default_factory=list)

    def __call__(self, body: Mapping[str, Any]) -> Any:
        if not asks_for_rows(body):
            self.judgements.append(body)
            answer = {"explanation": "It is clear.", "label": self.judge(data_of(body))}
            return completion(json.dumps(answer))
        self.asked.append(body)
        count, label = wanted_of(body)
        items = [self.make(label, self.number + n) for n in range(count)]
        self.number += count
        return completion(json.dumps({"items": items}))
