"""Remembers what evaluators made of texts: the same text again is not run again.

A version never changes, and its logits do not depend on what else is in its
batch; so an answer stays right for as long as it is kept. What is kept is the
least, in logits, so that a text cannot be read from it: keys are digests.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from gnomon.rendering import Rendered
from gnomon_scorer.domain.loaded import LoadedVersion

# What CPython takes for an entry, rounded up: digest, answer, numbers, and their place in the map.
ENTRY_BYTES = 384
LOGIT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version made of one text: all that its score is computed from.

    `logits`: one a class, those of several windows reduced. `token_count`,
    `truncated`: as in `gnomon.tokens.Reading`. `deciding_window` counts from 0;
    None where several windows were combined.
    """

    logits: tuple[float, ...]
    token_count: int
    truncated: bool
    window_count: int = 1
    deciding_window: int | None = 0


def key_of(version: LoadedVersion, text: Rendered) -> bytes:
    """Return a 256-bit digest of all that an answer depends on.

    Every part goes in with its length, so that no two ways to cut the same
    bytes into parts have the same key.
    """
    evaluator = version.evaluator
    digest = hashlib.blake2b(digest_size=32)
    for part in (
        version.bundle_digest,
        version.format,
        evaluator.template,
        evaluator.step.value,
        text.text,
        text.pair,
        ",".join(f"{part.characters}:{part.rank.value}" for part in text.parts),
    ):
        if part is None:
            digest.update(b"\xff" * 8)  # no text has this length
        else:
            content = part.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "little"))
            digest.update(content)
    return digest.digest()


class ResponseCache:
    """Answers by key, the least recently used of which leave when they are more than `capacity_bytes`.

    Every method may be called from any thread.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()  # the one used last is last
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def size_bytes(self) -> int:
        """About how much memory the answers take; at most the capacity."""
        return self._bytes

    def get(self, key: bytes) -> Answer | None:
        """Return what was kept, None if nothing was."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None:
                self._answers.move_to_end(key)
            return answer

    def put(self, key: bytes, answer: Answer) -> None:
        """Keep an answer; one that is larger than the whole cache is not kept."""
        size = _size(answer)
        if size > self._capacity:
            return
        with self._lock:
            replaced = self._answers.pop(key, None)
            self._bytes += size - (_size(replaced) if replaced else 0)
            self._answers[key] = answer
            while self._bytes > self._capacity:
                _, oldest = self._answers.popitem(last=False)
                self._bytes -= _size(oldest)


def _size(answer: Answer) -> int:
    return ENTRY_BYTES + LOGIT_BYTES * len(answer.logits)
