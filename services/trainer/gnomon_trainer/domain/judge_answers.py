"""What counts as a judge's answer: one JSON object with a declared label. Pure."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gnomon_trainer.domain.chat import ChatAnswer, TokenChoice

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_LONGEST_EXPLANATION = 2_000
_LEAST_MASS = 0.5  # of the classes among the likely tokens: below, their shares say little


class NoVoteError(Exception):
    """The answer is none. The message says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer of a judge; `probabilities` of the classes by its tokens, None if they do not tell."""

    label: str
    explanation: str
    probabilities: Mapping[str, float] | None


def vote(answer: ChatAnswer, labels: Sequence[str], marker: str) -> Vote:
    """Read an answer.

    Raises:
        NoVoteError: it is not one object of two texts, or its label is not declared.
    """
    if marker.rpartition("-")[2] in answer.text:  # its number, which the markers of examples share
        raise NoVoteError("it repeats the marker of the prompt")
    fields = json_object(answer.text)
    label, explanation = fields.get("label"), fields.get("explanation", "")
    if not (isinstance(label, str) and isinstance(explanation, str) and fields.keys() <= _FIELDS):
        raise NoVoteError("it is not an object with the texts `explanation` and `label`")
    if label not in labels:
        raise NoVoteError("its label is not one of the metric's classes")
    return Vote(label, _readable(explanation), _probabilities(answer.choices, label, labels))


_FIELDS = {"label", "explanation"}


def json_object(text: str) -> Mapping[str, Any]:
    """Return the one JSON object that an answer is, fenced or not; NoVoteError if it is something else."""
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1]
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NoVoteError("it is not one JSON object") from error
    if not isinstance(found, dict):
        raise NoVoteError("it is not one JSON object")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice: which one counts is anyone's guess")
    return found


def _readable(explanation: str) -> str:
    """Return the text as one paragraph, without what no terminal or database should get."""
    kept = "".join(c if c.isprintable() else " " for c in explanation)
    return " ".join(kept.split())[:_LONGEST_EXPLANATION]


def _probabilities(
    choices: Sequence[TokenChoice], label: str, labels: Sequence[str]
) -> dict[str, float] | None:
    """Return the probabilities of the classes where the label's first token was chosen.

    None where they cannot be told: no log-probabilities, tokens that do not
    make up the answer, or classes that begin with the same token.
    """
    found = _at_label([choice.token for choice in choices], label)
    if found is None:
        return None
    index, before = found
    masses = dict.fromkeys(labels, 0.0)
    for token, log_probability in choices[index].log_probabilities.items():
        if not token.startswith(before) or token == before:
            continue
        begun = _classes_begun(token[len(before) :], labels)
        if len(begun) > 1:
            return None
        for each in begun:
            masses[each] += math.exp(min(log_probability, 0.0))
    total = sum(masses.values())
    if total < _LEAST_MASS or masses[label] == 0.0:
        return None
    return {each: mass / total for each, mass in masses.items()}


def _classes_begun(text: str, labels: Sequence[str]) -> list[str]:
    """Return the classes whose JSON begins with the text, or that the text holds whole."""
    ended = [label for label in labels if text.startswith(_json(label) + '"')]
    return ended or [label for label in labels if _json(label).startswith(text)]


def _at_label(tokens: Sequence[str], label: str) -> tuple[int, str] | None:
    """Return which token the label begins in, and what of that token stands before it."""
    matches = list(re.finditer(r'"label"\s*:\s*"', text := "".join(tokens)))
    if not matches or not text[matches[-1].end() :].startswith(_json(label) + '"'):
        return None
    start, at = matches[-1].end(), 0
    for index, token in enumerate(tokens):
        if at + len(token) > start:
            return index, token[: start - at]
        at += len(token)
    return None


def _json(label: str) -> str:
    return json.dumps(label, ensure_ascii=False)[1:-1]
