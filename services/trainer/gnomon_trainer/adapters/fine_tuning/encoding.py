"""From a rendered instance to tokens, with a base model's tokenizer."""

from pathlib import Path

from tokenizers import Tokenizer

from gnomon.bundle import TOKENIZER_FILE
from gnomon.errors import BaseModelMissingError
from gnomon.rendering import Rendered
from gnomon.tokenizing import JsonTokenizer
from gnomon.tokens import Tokens


class TextEncoder:
    """Tokenizes as a scorer does, cutting at `max_tokens`, special tokens included."""

    def __init__(self, tokenizer: str, max_tokens: int) -> None:
        self._content = tokenizer
        self._tokenizer = JsonTokenizer.read(tokenizer)
        self.max_tokens = max_tokens

    @classmethod
    def of_base_model(cls, folder: Path, max_tokens: int) -> "TextEncoder":
        """Read the tokenizer of a base model.

        Raises:
            BaseModelMissingError: the folder has none that can be read.
        """
        try:
            return cls((folder / TOKENIZER_FILE).read_text("utf-8"), max_tokens)
        except (OSError, ValueError) as error:
            raise BaseModelMissingError(
                f"The base model's {TOKENIZER_FILE} cannot be read: {error}. Choose another base model."
            ) from error

    def to_json(self) -> str:
        """Return the `tokenizer.json` of a bundle: truncates at `max_tokens`, pads nothing."""
        tokenizer = Tokenizer.from_str(self._content)
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_tokens, strategy="longest_first")
        return str(tokenizer.to_str())

    def encode(self, rendered: Rendered) -> Tokens:
        (tokens,) = self._tokenizer.encode([rendered], self.max_tokens)
        return tokens
