"""What runs models: one small port for every library, here below the domain's `Runtime`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gnomon.tokens import Tokens
from gnomon_scorer.domain.ports import Logits


class Engine(Protocol):
    """One library that runs models. `formats`: what it reads, the fastest first as a rule."""

    @property
    def formats(self) -> Sequence[str]: ...

    @property
    def length_step(self) -> int:
        """What it pads lengths up to a multiple of."""

    @property
    def version(self) -> str: ...

    def problem(self, format: str, /) -> str | None:  # noqa: A002
        """Return why this machine cannot run a format, and what to do; None if it can."""

    def threads(self, cores: int) -> Sequence[int]:
        """Return how many threads a call may have, from 1 on."""

    def open(self, file: Path, format: str, threads: int, cores: int, max_tokens: int) -> "Model":  # noqa: A002
        """Open a model for `cores` / `threads` calls at a time; blocks.

        Raises:
            Exception: it cannot be opened.
        """


class Model(Protocol):
    """A model in memory. `run` is called from several threads at once."""

    @property
    def computes_in_caller(self) -> bool:
        """Whether the calling thread works too, with its own priority."""

    @property
    def has_threads(self) -> bool:
        """Whether it has threads of its own, with the priority of who opened it."""

    @property
    def memory_bytes(self) -> int: ...

    def run(self, batch: Sequence[Tokens], /) -> Logits: ...

    def close(self) -> None: ...
