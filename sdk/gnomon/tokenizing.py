"""From rendered instances to tokens, with a bundle's `tokenizer.json`.

The trainer and the scorer both tokenize here, so that an evaluator is served
what it was trained on. Needs the library `tokenizers`, which both services
install; nothing else of the SDK imports this.

The library can cut and join pairs itself, but builds every combination of the
parts that it cuts off: a pair of long texts takes time and memory quadratic in
their length. So each text is tokenized alone, and cut and joined here, in the
same way.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # our threads are the parallelism

import tokenizers

from gnomon.bundle import Windows
from gnomon.fitting import fit, shares
from gnomon.rendering import Rendered
from gnomon.tokens import Reading, Tokens
from gnomon.windows import held, reach, spans

_CHUNK = 16_384  # characters; longer texts are read piece by piece where that gives the same tokens
_SPLITTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_LOCAL_NORMALIZERS = {None, "BertNormalizer", "Lowercase"}
_CHARACTERS = 16  # of a token, at most, on average: more of a transcript is not tokenized
_MARKER = " … "  # stands for what was left out of a part
_WHITE = re.compile(r"(?<!\s)[ \n]")  # where white space begins: no tokenizer here looks across that
_Whole = TypeVar("_Whole", str, list[int])
_PROBES = ("a", "the", "1", ".", "hello")


@dataclass(frozen=True, slots=True)
class _Slot:
    """One place of the layout: a special token, or all of text 0 or 1."""

    type_id: int
    text: int | None = None
    special_id: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """The tokens of one or two texts, and in how much room, beside the special ones, they are laid.

    `shortened`: parts of the text were left out.
    """

    layout: Sequence[_Slot]
    room: int
    ids: list[list[int]]
    shortened: bool = False

    @property
    def fits(self) -> bool:
        return sum(map(len, self.ids)) <= self.room


class TokenizerError(ValueError):
    """A `tokenizer.json` cannot be used; the message says why."""


class JsonTokenizer:
    """`is_local`: cutting a text at white space changes no token on either side."""

    @classmethod
    def read(cls, content: str) -> "JsonTokenizer":
        """Open the text of a `tokenizer.json`.

        Raises:
            TokenizerError: it is none.
        """
        try:
            return cls(tokenizers.Tokenizer.from_str(content), _is_local(json.loads(content)))
        except TokenizerError:
            raise
        except Exception as error:  # the library raises bare exceptions
            raise TokenizerError(f"The tokenizer cannot be read: {str(error)[:200]}") from error

    def __init__(self, tokenizer: Any, is_local: bool) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._is_local = is_local
        self._marker = self._ids([_MARKER])[0]
        self._single = _layout(tokenizer, pair=False)
        self._pair = _layout(tokenizer, pair=True)

    def encode(self, texts: Sequence[Rendered], max_tokens: int) -> list[Tokens]:
        """Return what `tokenizers` gives with truncation `longest_first`, on the right.

        Raises:
            ValueError: `max_tokens` has no room for the special tokens.
        """
        encoded = []
        for rendered, read in zip(texts, self._read(texts, max_tokens, None), strict=True):
            ids = read.ids
            if read.fits:
                encoded.append(_joined(read.layout, ids, truncated=read.shortened))
                continue
            if len(ids) == 2 and all(len(i) > read.room for i in ids):  # the longer gets the odd token
                whole = zip(ids, (rendered.text, rendered.pair or ""), strict=True)
                ids = [i if len(text) <= _CHUNK else self._long(text, None) for i, text in whole]
            kept = _longest_first([len(i) for i in ids], read.room)
            cut = [i[:count] for i, count in zip(ids, kept, strict=True)]
            encoded.append(_joined(read.layout, cut, truncated=True))
        return encoded

    def encode_windows(
        self, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None
    ) -> list[Reading]:
        """Return how each text is read: in windows if it is longer than `max_tokens`; see `gnomon.windows`.

        Of a pair, `Rendered.windowed` goes through the windows, and each holds
        the other. Without `windows`, what is longer is cut as `encode` does.

        Raises:
            ValueError: `max_tokens` has no room for the special tokens.
        """
        if windows is None:
            return [Reading((t,), len(t), t.truncated) for t in self.encode(texts, max_tokens)]
        return [
            _in_windows(read, rendered.windowed, windows)
            for rendered, read in zip(texts, self._read(texts, max_tokens, windows), strict=True)
        ]

    def _read(self, texts: Sequence[Rendered], max_tokens: int, windows: Windows | None) -> Iterator[_Read]:
        """Yield the tokens of each text: all of a short one, of a long one at least one more than is read.

        One that consists of parts is shortened to one window: what it is about is seen in all of it.
        """
        parts = [() if t.parts else (t.text,) if t.pair is None else (t.text, t.pair) for t in texts]
        short = iter(self._ids([part for pair in parts for part in pair if len(part) <= _CHUNK]))
        for rendered, pair in zip(texts, parts, strict=True):
            layout = self._pair if len(pair) == 2 else self._single
            room = max_tokens - sum(slot.text is None for slot in layout)
            if room < 0:
                raise ValueError(f"max_tokens is {max_tokens}; the special tokens alone are more.")
            if rendered.parts:
                found, shortened = self._transcript(rendered, room)
                yield _Read(layout, room, [found], shortened)
                continue
            ids = []
            for index, part in enumerate(pair):
                if len(part) <= _CHUNK:
                    ids.append(next(short))
                elif windows is None or index != rendered.windowed:
                    ids.append(self._long(part, room + 1))
                else:
                    ids.append(self._long(part, reach(room, windows.stride, windows.most) + 1))
            yield _Read(layout, room, ids)

    def _transcript(self, rendered: Rendered, most: int) -> tuple[list[int], bool]:
        """Return the tokens of a text of parts, at most so many, and whether some were left out.

        Each part is tokenized for itself; before that, so that the work is
        bounded, they are shortened by characters in the same way.
        """
        ranks = [part.rank for part in rendered.parts]
        texts = _parts_of(rendered)
        kept = fit([len(text) for text in texts], ranks, most * _CHARACTERS, _CHARACTERS)
        cut = [_shortened(*pair, _MARKER) for pair in zip(texts, kept, strict=True)]
        ids = self._ids(cut)
        counts = fit([len(part) for part in ids], ranks, most)
        fitted = [_shortened(*pair, self._marker) for pair in zip(ids, counts, strict=True)]
        return list(itertools.chain.from_iterable(fitted)), cut != texts or fitted != ids

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        # Only the batch methods let other threads run.
        return [e.ids for e in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def _long(self, text: str, enough: int | None) -> list[int]:
        """Return the first tokens of a long text, at least `enough` of them if there are; else all."""
        if not self._is_local:
            return self._ids([text])[0]
        ids: list[int] = []
        for piece in _pieces(text):
            ids += self._ids([piece])[0]
            if enough is not None and len(ids) >= enough:
                break
        return ids


def _parts_of(rendered: Rendered) -> list[str]:
    ends = list(itertools.accumulate(part.characters for part in rendered.parts))
    return [rendered.text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _shortened(whole: _Whole, kept: int, marker: _Whole) -> _Whole:
    """Return beginning and end of a part with the marker between, `kept` long together."""
    if kept >= len(whole):
        return whole
    head, tail = shares(kept, len(marker))
    return whole[:head] if not tail else whole[:head] + marker + whole[len(whole) - tail :]


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where white space begins, at the first such place after each `_CHUNK` characters."""
    start = 0
    while start < len(text):
        cut = _WHITE.search(text, start + _CHUNK)
        end = cut.start() if cut else len(text)
        yield text[start:end]
        start = end


def _joined(layout: Sequence[_Slot], ids: Sequence[list[int]], *, truncated: bool) -> Tokens:
    token_ids: list[int] = []
    type_ids: list[int] = []
    for slot in layout:
        new = [slot.special_id] if slot.text is None else ids[slot.text]
        token_ids += new
        type_ids += itertools.repeat(slot.type_id, len(new))
    return Tokens(token_ids, type_ids, truncated)


def _in_windows(read: _Read, windowed: int, windows: Windows) -> Reading:
    ids, room = read.ids, read.room
    if read.fits:
        tokens = _joined(read.layout, ids, truncated=read.shortened)
        return Reading((tokens,), len(tokens), read.shortened)
    long = ids[windowed]
    kept = ids[1 - windowed] if len(ids) == 2 else []
    count = held(len(kept), len(long), room)
    found = spans(len(long), room - count, windows.stride, windows.most)
    end = found[-1][1]
    truncated = count < len(kept) or end < len(long)
    read_in = []
    for start, stop in found:
        cut = [long[start:stop], kept[:count]]
        read_in.append(_joined(read.layout, cut[:: -1 if windowed else 1], truncated=truncated))
    return Reading(read_in, len(read_in[0]) - (found[0][1] - found[0][0]) + end, truncated)


def _longest_first(lengths: Sequence[int], room: int) -> list[int]:
    """Return how much of each text is kept: as in `tokenizers`, `TruncationStrategy::LongestFirst`."""
    if len(lengths) == 1:
        return [min(lengths[0], room)]
    shorter, longer = sorted(lengths)
    if shorter + longer > room:
        longer = shorter if shorter > room else max(shorter, room - shorter)
        if shorter + longer > room:
            shorter, longer = room // 2, room // 2 + room % 2
    return [longer, shorter] if lengths[0] > lengths[1] else [shorter, longer]


def _layout(tokenizer: Any, pair: bool) -> list[_Slot]:
    """Find out where the special tokens go, by encoding texts of few tokens.

    Raises:
        TokenizerError: the tokenizer gives no token for any of them.
    """
    for probe in _PROBES:
        encoding = tokenizer.encode(probe, probe) if pair else tokenizer.encode(probe)
        slots: list[_Slot] = []
        for token_id, type_id, text in zip(
            encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True
        ):
            if text is None:
                slots.append(_Slot(type_id, special_id=token_id))
            elif not slots or slots[-1].text != text:  # several tokens of one text are one place
                slots.append(_Slot(type_id, text))
        if {slot.text for slot in slots} >= ({0, 1} if pair else {0}):
            return slots
    raise TokenizerError("The tokenizer gives no tokens for plain text.")


def _is_local(content: dict[str, Any]) -> bool:
    """Tell whether the tokens left and right of white space do not depend on each other."""
    normalizer = (content.get("normalizer") or {}).get("type")
    added = content.get("added_tokens") or []
    return (
        _splits_at_white_space(content.get("pre_tokenizer") or {})
        and normalizer in _LOCAL_NORMALIZERS
        and not any(
            entry.get("lstrip") or entry.get("rstrip") or " " in entry["content"] or "\n" in entry["content"]
            for entry in added
        )
    )


def _splits_at_white_space(splitter: dict[str, Any]) -> bool:
    """Tell whether a word never shares a token with what stands before the white space before it.

    So it is with the pattern of GPT-2, which `ByteLevel` splits by, also where
    `Digits` come first: a space belongs to the word behind it.
    """
    parts = splitter.get("pretokenizers") if splitter.get("type") == "Sequence" else [splitter]
    *first, last = parts or [{}]
    if last.get("type") == "ByteLevel":
        alike = last.get("use_regex", True) and not last.get("add_prefix_space")
        return bool(alike) and all(part.get("type") == "Digits" for part in first)
    return not first and last.get("type") in _SPLITTERS
