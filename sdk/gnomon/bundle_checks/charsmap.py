"""The table of replacements that SentencePiece's normalizers hold: what they make of a character.

The size of a trie in four bytes, the trie, and the replacements one after the
other, a NUL behind each. The trie is a double array of Darts-clone: each unit
is a leaf, with the place of a replacement, or says how far away its children
are. https://github.com/s-yata/darts-clone
"""

import base64
import struct
from itertools import accumulate

_BLOCK = 256  # units: a child lies in its parent's block, at its label
_LONGEST = 1 << 20  # characters; SentencePiece's own tables have a third of that
_LEAF, _HAS_LEAF = 1 << 31, 1 << 8


def longest_replacement(encoded: object) -> int:
    """Return how many characters a table in base64 makes of one, at most.

    Raises:
        ValueError: it is malformed, so that the library would stumble over some text; says how.
    """
    table = _decoded(encoded)
    size = int.from_bytes(table[:4], "little")
    trie, texts = table[4 : 4 + size], table[4 + size :]
    if not size or len(trie) != size or size % (4 * _BLOCK) or not texts.endswith(b"\0"):
        raise ValueError("its parts do not fit")
    try:
        longest = max(map(len, texts.decode().split("\0")))
    except UnicodeDecodeError as error:
        raise ValueError("its replacements are not UTF-8") from error
    lengths = [len(text) + 1 for text in texts.split(b"\0")[:-1]]
    starts = frozenset(accumulate(lengths[:-1], initial=0))
    if not _is_closed(struct.unpack(f"<{size // 4}I", trie), starts):
        raise ValueError("its trie leads out of it")
    return longest


def _decoded(encoded: object) -> bytes:
    if not isinstance(encoded, str) or len(encoded) > _LONGEST:
        raise ValueError(f"it is no text of at most {_LONGEST} characters")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ValueError("it is not base64") from error


def _is_closed(units: tuple[int, ...], starts: frozenset[int]) -> bool:
    """Tell whether every leaf is the place of a replacement, and all else leads to units that are there."""
    for place, unit in enumerate(units):
        if unit & _LEAF:
            if unit ^ _LEAF not in starts:
                return False
            continue
        children = place ^ (unit >> 10 << (unit >> 6 & 8))
        if children >= len(units) or (unit & _HAS_LEAF and not units[children] & _LEAF):
            return False
    return True
