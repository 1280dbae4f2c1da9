"""When two texts count as the same. Pure."""

import hashlib
import unicodedata

from gnomon.instances import Instance
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.domain.training import MetricDefinition


def rendered(instance: Instance, metric: MetricDefinition) -> str:
    """Return what an evaluator of the metric would read, as one text.

    Raises:
        InstanceInvalidError: the instance lacks a part that the metric reads.
    """
    return joined(render(instance, template_for(metric.input_shape), metric.step))


def joined(parts: Rendered) -> str:
    return parts.text if parts.pair is None else f"{parts.text}\n\x1e\n{parts.pair}"


def context_of(parts: Rendered) -> str:
    """Return what rows may share that are judged differently: the text of a pair that is not judged."""
    if parts.pair is None:
        return normalised(parts.text)
    return normalised(parts.pair if parts.windowed else parts.text)


class _PunctuationToSpace(dict[int, int | str]):
    """A table for `str.translate` that looks each character up once."""

    def __missing__(self, code: int) -> int | str:
        is_punctuation = unicodedata.category(chr(code)).startswith("P")
        self[code] = " " if is_punctuation else code
        return self[code]


_TABLE = _PunctuationToSpace()


def normalised(text: str) -> str:
    """Return the text without case, punctuation and repeated white space.

    A text of nothing but punctuation stays as it is.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().translate(_TABLE).split()) or text.strip()


def fingerprint(text: str) -> int:
    """Return a 63-bit number that, but for a chance of about n²/2⁶⁴, differs between n different texts."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
