"""From a rendered instance to tokens, exactly as the scorer does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from gnomon.bundle import TOKENIZER_FILE
from gnomon.errors import BaseModelMissingError
from gnomon.rendering import Rendered

_MARGIN = 32  # tokens kept behind the cut, so that cutting a text does not change the tokens before it


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the model reads. `truncated`: the instance had more tokens than that."""

    ids: list[int]
    type_ids: list[int]
    truncated: bool

    def __len__(self) -> int:
        return len(self.ids)


class TextEncoder:
    """Tokenizes with a `tokenizer.json`, cutting at `max_tokens`, special tokens included.

    A pair is cut at its longer part.
    """

    def __init__(self, tokenizer: str, max_tokens: int) -> None:
        self._whole = Tokenizer.from_str(tokenizer)
        self._whole.no_padding()
        self._whole.no_truncation()
        self._cut = Tokenizer.from_str(self._whole.to_str())
        self._cut.enable_truncation(max_tokens, strategy="longest_first")
        self.max_tokens = max_tokens

    @classmethod
    def of_base_model(cls, folder: Path, max_tokens: int) -> "TextEncoder":
        """Read the tokenizer of a base model.

        Raises:
            BaseModelMissingError: the folder has none that can be read.
        """
        try:
            return cls((folder / TOKENIZER_FILE).read_text("utf-8"), max_tokens)
        except Exception as error:  # the tokenizers library raises bare exceptions
            raise BaseModelMissingError(
                f"The base model's {TOKENIZER_FILE} cannot be read: {error}. "
                "Choose a base model that has one."
            ) from error

    def to_json(self) -> str:
        """Return the `tokenizer.json` of a bundle: truncates at `max_tokens`, pads nothing."""
        return self._cut.to_str()

    def encode(self, rendered: Rendered) -> Encoded:
        text, pair = rendered.text, rendered.pair
        encoding = self._whole.encode(text, pair)
        truncated = len(encoding.ids) > self.max_tokens
        if truncated:
            # The library keeps all that it cuts off, and for a pair every combination of it: gigabytes for a
            # pair of long texts. So they are cut here to little more than is read.
            encoding = self._cut.encode(*self._shortened(text, pair))
        return Encoded(encoding.ids, encoding.type_ids, truncated)

    def _shortened(self, text: str, pair: str | None) -> tuple[str, str | None]:
        """Cut both texts; the longer one stays the longer one, for it gets the odd token."""
        last = self.max_tokens + _MARGIN
        offsets = self._whole.encode(text, add_special_tokens=False).offsets
        if pair is None:
            return _until(text, offsets, last), None
        pair_offsets = self._whole.encode(pair, add_special_tokens=False).offsets
        return (
            _until(text, offsets, last + _MARGIN * (len(offsets) > len(pair_offsets))),
            _until(pair, pair_offsets, last + _MARGIN * (len(pair_offsets) > len(offsets))),
        )


def _until(text: str, offsets: Sequence[tuple[int, int]], token: int) -> str:
    return text if len(offsets) <= token else text[: offsets[token][0]]
