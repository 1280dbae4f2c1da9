"""Prompts as a part of the tokenizer, so that whoever loads `tokenizer.json` reads what was learned from.

The tokens of the prompt are to a decoder's tokenizer what `[CLS]` and `[SEP]`
are to an encoder's: its post-processor puts them around every text, or every
window of one, and what is too long is cut without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from gnomon.errors import BaseModelMissingError
from gnomon_trainer.domain.prompts import Prompt, letters


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands for a class, and its token."""

    text: str
    token: int


def answers(tokenizer_json: str, classes: int) -> list[Answer]:
    """Return an answer a class: letters, each a single token and no two the same one.

    Raises:
        BaseModelMissingError: the vocabulary has too few of them.
    """
    tokenizer: Any = Tokenizer.from_str(tokenizer_json)
    found: dict[int, Answer] = {}
    for text in letters():
        if len(found) == classes:
            return list(found.values())
        # After a space, as it follows the prompt; some tokenizers put that there themselves.
        for spelled in (f" {text}", text):
            ids = tokenizer.encode(spelled, add_special_tokens=False).ids
            if len(ids) == 1 and tokenizer.decode(ids).strip() == text:
                found.setdefault(ids[0], Answer(text, ids[0]))
                break
    raise BaseModelMissingError(
        f"The metric has {classes} classes, and only {len(found)} letters are tokens of the base model. "
        "Choose a recipe with another base model."
    )


def prompted(tokenizer_json: str, prompt: Prompt) -> str:
    """Return a `tokenizer.json` that puts a prompt around what it reads.

    What the base model wants before a text, such as a token for the beginning,
    comes before the prompt; what it wants behind one is left out, because the
    answer follows there.
    """
    tokenizer: Any = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    parts = {
        "<before>": _until_text_ends(tokenizer.encode(prompt.before)),
        "<between>": tokenizer.encode(prompt.between, add_special_tokens=False).ids,
        "<after>": tokenizer.encode(prompt.after, add_special_tokens=False).ids,
    }
    tokenizer.post_processor = TemplateProcessing(
        single="<before> $A <after>",
        pair="<before> $A <between> $B <after>",
        special_tokens=[
            {"id": name, "ids": ids, "tokens": [tokenizer.id_to_token(token) for token in ids]}
            for name, ids in parts.items()
        ],
    )
    return str(tokenizer.to_str())


def _until_text_ends(encoding: Any) -> Sequence[int]:
    last = max(place for place, text in enumerate(encoding.sequence_ids) if text is not None)
    ids: list[int] = encoding.ids[: last + 1]
    return ids
