"""Checkpoints: a training in the middle, on disk. Tensors as safetensors, the rest as JSON; never pickle.

A checkpoint is a folder `step-00000120` that appears whole or not at all. Its
`state.json` names the digest of every tensor file, so that a cut or altered
one is noticed and the checkpoint before it is taken.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from gnomon_trainer.adapters.fine_tuning.files import (
    NewFolder,
    read_json,
    remove_folder,
    remove_unfinished,
    to_json,
    write_durably,
)

_STATE = "state.json"
_KEPT = 2

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`state` is plain JSON; `tensors` are groups by name, such as `model` and `optimizer`."""

    state: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


class Checkpoints:
    """The checkpoints of one training. `plan_digest` keeps those of another plan from being taken."""

    def __init__(self, folder: Path, plan_digest: str) -> None:
        self._folder = folder
        self._plan_digest = plan_digest

    def write(self, step: int, state: Mapping[str, Any], tensors: Mapping[str, Tensors]) -> None:
        """Write a checkpoint and drop all but the newest two.

        Raises:
            OSError: the disk is full or away; earlier checkpoints are untouched.
        """
        with NewFolder(self._folder / f"step-{step:08d}") as folder:
            digests = {
                group: write_durably(folder / f"{group}.safetensors", save(dict(named)))
                for group, named in tensors.items()
            }
            content = {"plan": self._plan_digest, "tensors": digests, "state": dict(state)}
            write_durably(folder / _STATE, to_json(content))
        for old in self._all()[_KEPT:]:
            remove_folder(old)

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is whole and of this plan; remove any newer one that is not.

        What a killed process left half-written is removed as well.
        """
        remove_unfinished(self._folder)
        for folder in self._all():
            if checkpoint := self._read(folder):
                return checkpoint
            remove_folder(folder)
        return None

    def _all(self) -> list[Path]:
        return sorted((f for f in self._folder.glob("step-*") if f.name[5:].isdigit()), reverse=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        content = read_json(folder / _STATE)
        if not isinstance(content, dict) or content.get("plan") != self._plan_digest:
            return None
        tensors = {}
        for group, digest in content["tensors"].items():
            try:
                data = (folder / f"{group}.safetensors").read_bytes()
            except OSError:
                return None
            if hashlib.sha256(data).hexdigest() != digest:
                return None
            tensors[group] = load(data)
        return Checkpoint(content["state"], tensors)
