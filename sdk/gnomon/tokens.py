"""What an evaluator reads: tokens. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenized instance, special tokens included, without padding.

    `type_ids` tell the two texts of a pair apart. `truncated`: the instance
    was longer than the evaluator reads.
    """

    ids: Sequence[int]
    type_ids: Sequence[int]
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.ids)
