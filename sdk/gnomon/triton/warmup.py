"""Sample inputs that Triton runs before it says that a model is ready."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gnomon.errors import BundleInvalidError
from gnomon.rendering import Rendered
from gnomon.tokens import Tokens
from gnomon.triton.libraries import library
from gnomon.triton.signature import Signature

_LENGTHS = (32, 128, 512)  # tokens; a runtime prepares for shapes when it first meets them
_TEXT = "We looked into it and will send the corrected invoice on Monday, if that suits you. "


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of tokens as little-endian bytes, one entry an input; Triton repeats it `batch_size` times."""

    tokens: int
    batch_size: int
    contents: Mapping[str, bytes]

    @property
    def name(self) -> str:
        return f"{self.batch_size} x {self.tokens} tokens"

    def file(self, name: str) -> str:
        """Return the name of an input's file; samples of one length share it."""
        return f"{name}.{self.tokens}"


def samples(tokenizer: str, signature: Signature, max_tokens: int, max_batch_size: int) -> tuple[Sample, ...]:
    """Return a sample of each length alone, and the shortest in the largest batch.

    Raises:
        BundleInvalidError: the tokenizer cannot be read.
        InvalidRequestError: the library `tokenizers` is not installed.
    """
    tokenizing = library("gnomon.tokenizing")
    try:
        reader = tokenizing.JsonTokenizer.read(tokenizer)
    except tokenizing.TokenizerError as error:
        raise BundleInvalidError(str(error)) from error
    lengths = sorted({min(length, max_tokens) for length in _LENGTHS})
    rows = [reader.encode([Rendered(_TEXT * length)], length)[0] for length in lengths]
    alone = [Sample(len(row), 1, _contents(row, signature)) for row in rows]
    return (*alone, *([replace(alone[0], batch_size=max_batch_size)] if max_batch_size > 1 else []))


def _contents(row: Tokens, signature: Signature) -> dict[str, bytes]:
    numpy = library("numpy")
    values = {"input_ids": row.ids, "token_type_ids": row.type_ids, "attention_mask": [1] * len(row)}
    return {
        tensor.name: numpy.array(values[tensor.name], numpy.dtype(tensor.dtype).newbyteorder("<")).tobytes()
        for tensor in signature.inputs
    }
