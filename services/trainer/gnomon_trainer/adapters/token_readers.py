"""Reads texts with the tokenizer of a base model; imports neither torch nor transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.bundle import TOKENIZER_FILE, Windows
from gnomon.errors import BaseModelMissingError
from gnomon.rendering import Rendered
from gnomon.tokens import Reading
from gnomon_trainer.adapters import base_models

if TYPE_CHECKING:
    from gnomon.tokenizing import JsonTokenizer


class BaseModelTokenizers:
    """The `TokenReaders` of this machine. The tokenizer that was used last is kept."""

    def __init__(self, model_dir: Path | None) -> None:
        self._model_dir = model_dir
        self._last: tuple[str, JsonTokenizer] | None = None

    def read(
        self, base_model: str, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
    ) -> Sequence[Reading]:
        last = self._last
        if last is None or last[0] != base_model:
            self._last = last = base_model, self._open(base_model)
        return last[1].encode_windows(texts, max_tokens, windows)

    def _open(self, base_model: str) -> JsonTokenizer:
        from gnomon.tokenizing import JsonTokenizer

        file = base_models.locate(base_model, self._model_dir) / TOKENIZER_FILE
        try:
            return JsonTokenizer.read(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BaseModelMissingError(
                f"The base model's {TOKENIZER_FILE} cannot be read: {error}. Choose another base model."
            ) from error
