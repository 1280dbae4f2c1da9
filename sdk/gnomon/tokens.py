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


@dataclass(frozen=True, slots=True)
class Reading:
    """One instance as an evaluator reads it: in one window if it fits, else in several.

    `token_count`: the tokens of the instance that are read, those in several
    windows and the special ones counted once. `truncated`: there are more.
    """

    windows: Sequence[Tokens]
    token_count: int
    truncated: bool = False
