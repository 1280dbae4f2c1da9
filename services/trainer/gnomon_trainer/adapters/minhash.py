"""Near texts by MinHash and locality-sensitive hashing, with datasketch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHINGLE = 4  # characters: one changed word touches few of them, even in a short text
_MOST_SHINGLES = 512  # of a text; of a longer one those with the least hashes, which is a fair sample
_BANDS, _ROWS = 32, 4  # finds 56 % of pairs that share 40 % of their shingles, 99 % of those with 60 %
_LEAST_SHARED = 0.3
_MOST_CANDIDATES = 16  # of one text, the likeliest
_AT_ONCE = 10_000  # known texts in one index; bounds the memory
_COMMON_SHARE, _LOOKED_AT = 0.25, 2_000  # what so many texts hold says nothing, such as a prompt around all

Hashes = NDArray[np.uint64]
Signatures = NDArray[np.uint32]


class MinHashNeighbours:
    """A `Neighbours` that compares 4-character shingles."""

    def candidates(self, known: Sequence[str], asked: Sequence[str]) -> Iterator[tuple[int, int]]:
        common = _common(known)
        asked_signatures = _signatures(asked, common)
        for start in range(0, len(known), _AT_ONCE):
            signatures = _signatures(known[start : start + _AT_ONCE], common)
            index = _index(signatures)
            for place, signature in asked_signatures.items():
                for found in _likeliest(index.query(signature), signature, signatures):
                    yield start + found, place


def _index(signatures: dict[int, Any]) -> Any:
    from datasketch import MinHashLSH

    index = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    for place, signature in signatures.items():
        index.insert(place, signature)
    return index


def _likeliest(places: list[int], signature: Any, signatures: dict[int, Any]) -> list[int]:
    if not places:
        return []
    places = sorted(places)
    shared = (np.stack([signatures[p].hashvalues for p in places]) == signature.hashvalues).mean(axis=1)
    best = np.argsort(-shared, kind="stable")[:_MOST_CANDIDATES]
    return [places[b] for b in best if shared[b] >= _LEAST_SHARED]


def _signatures(texts: Sequence[str], common: Hashes) -> dict[int, Any]:
    """Return the MinHash of each text that holds anything uncommon, by its place."""
    from datasketch import MinHash

    shingles = ((place, _uncommon(_shingles(text), common)) for place, text in enumerate(texts))
    rare = {place: hashes.tolist() for place, hashes in shingles if len(hashes)}
    made = MinHash.generator(rare.values(), num_perm=_BANDS * _ROWS, hashfunc=_as_it_is)
    return dict(zip(rare, made, strict=True))


def _as_it_is(value: int) -> int:
    return value


def _uncommon(hashes: Hashes, common: Hashes) -> Hashes:
    return hashes[~np.isin(hashes, common, assume_unique=True)][:_MOST_SHINGLES]


def _common(texts: Sequence[str]) -> Hashes:
    """Return the shingles that many texts hold, judged by some of them."""
    step = max(1, len(texts) // _LOOKED_AT)
    looked_at = [_shingles(text) for text in texts[::step]]
    if not looked_at:
        return np.zeros(0, dtype=np.uint64)
    hashes, counts = np.unique(np.concatenate(looked_at), return_counts=True)
    return hashes[counts > max(8, _COMMON_SHARE * len(looked_at))]


def _shingles(text: str) -> Hashes:
    """Return the 32-bit hashes of a text's shingles, each once, in order; the same in every process."""
    padded = f"  {text}  ".encode("utf-32-le")
    codes = np.frombuffer(padded, dtype=np.uint32).astype(np.uint64)
    hashes = np.zeros(len(codes) - _SHINGLE + 1, dtype=np.uint64)
    for place in range(_SHINGLE):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(hashes)]
    return np.unique(hashes >> np.uint64(32))
