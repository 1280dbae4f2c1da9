"""From a rendered instance to tokens, with a base model's tokenizer."""

from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer

from gnomon.bundle import TOKENIZER_FILE, Windows
from gnomon.errors import BaseModelMissingError
from gnomon.rendering import Rendered
from gnomon.tokenizing import JsonTokenizer
from gnomon.tokens import Reading, Tokens
from gnomon_trainer.adapters.fine_tuning.prompting import prompted
from gnomon_trainer.domain.prompts import Prompt


class TextEncoder:
    """Tokenizes as a scorer does: `max_tokens` at a time, special tokens included.

    What is longer is read in `windows`, or cut if there are none.
    """

    def __init__(self, tokenizer: str, max_tokens: int, windows: Windows | None = None) -> None:
        self._content = tokenizer
        self._tokenizer = JsonTokenizer.read(tokenizer)
        self.max_tokens = max_tokens
        self.windows = windows

    @classmethod
    def of_base_model(cls, folder: Path, max_tokens: int, windows: Windows | None = None) -> "TextEncoder":
        """Read the tokenizer of a base model.

        Raises:
            BaseModelMissingError: the folder has none that can be read.
        """
        try:
            return cls((folder / TOKENIZER_FILE).read_text("utf-8"), max_tokens, windows)
        except (OSError, ValueError) as error:
            raise BaseModelMissingError(
                f"The base model's {TOKENIZER_FILE} cannot be read: {error}. Choose another base model."
            ) from error

    def reducing(self, reducer: str) -> "TextEncoder":
        """Return an encoder whose windows become one score in another way."""
        windows = replace(self.windows, reducer=reducer) if self.windows else None
        return TextEncoder(self._content, self.max_tokens, windows)

    def with_prompt(self, prompt: Prompt) -> "TextEncoder":
        """Return an encoder that puts a prompt around every text, and every window of one."""
        return TextEncoder(prompted(self._content, prompt), self.max_tokens, self.windows)

    @property
    def overhead(self) -> int:
        """The most tokens of an instance that are none of its text."""
        return int(Tokenizer.from_str(self._content).num_special_tokens_to_add(is_pair=True))

    def to_json(self) -> str:
        """Return the `tokenizer.json` of a bundle: truncates at `max_tokens`, pads nothing."""
        tokenizer = Tokenizer.from_str(self._content)
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_tokens, strategy="longest_first")
        return str(tokenizer.to_str())

    def read(self, rendered: Rendered) -> Reading:
        """Return what is scored."""
        (reading,) = self._tokenizer.encode_windows([rendered], self.max_tokens, self.windows)
        return reading

    def encode(self, rendered: Rendered) -> Tokens:
        """Return what is read at once: the first window; `truncated` if there is more."""
        first = replace(self.windows, most=1) if self.windows else None
        (reading,) = self._tokenizer.encode_windows([rendered], self.max_tokens, first)
        (tokens,) = reading.windows
        return tokens
