"""What a malicious bundle is to the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.imports import good as sound
from tests.imports.good import Contents, good


@dataclass(frozen=True)
class Case:
    """A bundle, the rule that must refuse it, and the file that is named."""

    rule: str
    path: str
    make: Callable[[], Contents]


def file_case(rule: str, path: str, content: Callable[[], bytes]) -> Case:
    return Case(rule, path, lambda: good() | {path: content()})


def tokenizer_case(rule: str, **changes: Any) -> Case:
    return Case(rule, "tokenizer.json", lambda: sound.with_tokenizer(**changes))
