"""Tables of replacements, as SentencePiece builds them."""

import base64
import struct
from typing import Any

_BLOCK = 256


def table(character: str, replacement: bytes, leaf: int = 0, child: int = _BLOCK) -> bytes:
    """Return a table that replaces one ASCII character.

    `leaf` is the place that it gives for the replacement, `child` how far the character's own child is.
    """
    units = [0] * (2 * _BLOCK)
    label = ord(character)
    units[0] = 0  # the root's children lie in its own block, each at its label
    units[label] = label | 1 << 8 | child << 10
    if (label ^ child) < len(units):
        units[label ^ child] = 1 << 31 | leaf
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + replacement + b"\0"


def normalizer(content: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(content).decode()}
