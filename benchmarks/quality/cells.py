"""Cells: one method on one set with one seed, each in a process of its own, kept on disk.

A cell is measured again only when its data, the method or the options changed, so that an interrupted
benchmark goes on where it was.
"""

import ast
import functools
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.quality import methods, unseen
from benchmarks.quality.sets import SETS, digest, file_of
from numpy.typing import NDArray

_ROOT = Path(__file__).parents[2]
_RESULT, _ARRAYS = "result.json", "predictions.npz"


class CellError(RuntimeError):
    """A cell could not be measured; its log says why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`shots`: rows a class to learn from; 0: those that the set has."""

    method: str
    public: str  # the set's name
    seed: int
    shots: int = 0

    def __str__(self) -> str:
        few = f"@{self.shots}" if self.shots else ""
        return f"{self.public}{few} {self.method} seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Options:
    """What all cells of a benchmark share."""

    data: Path
    work: Path
    quick: bool = False
    setfit_seconds: float = 600.0


@dataclass(frozen=True)
class Measured:
    """What a cell gave. Arrays are in the order of the set's test rows; folds are told apart by `fold`."""

    cell: Cell
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]  # (rows, classes)
    rows: NDArray[np.int64]  # lines of the set's file
    fold: NDArray[np.int64]
    facts: Mapping[str, Any]  # seconds, rate, notes, origin


def measure(cell: Cell, options: Options) -> Measured:
    """Return what is kept of a cell, else measure it.

    Raises:
        CellError: its process failed.
    """
    folder = options.work / "cells" / key(cell, options)
    if not is_whole(folder):
        _run(cell, options, folder)
    return read(cell, folder)


def is_kept(cell: Cell, options: Options) -> bool:
    return is_whole(options.work / "cells" / key(cell, options))


def is_whole(folder: Path) -> bool:
    """Tell whether a cell was written to its end."""
    return (folder / _RESULT).exists()


def key(cell: Cell, options: Options) -> str:
    """Return the folder's name: the cell, and a digest of its data, its method's files and the options."""
    given = {
        "quick": options.quick,
        "data": _data_digest(file_of(SETS[cell.public], options.data)),
        "sources": sources_digest(cell.method),
    }
    if cell.method == "setfit":
        given["seconds"] = options.setfit_seconds
    hashed = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]
    return f"{cell.public}-{cell.shots}-{cell.method}-{cell.seed}-{hashed}"


_data_digest = functools.cache(digest)


@functools.cache
def sources_digest(method: str) -> str:
    here = Path(__file__).parent
    own = [here / "sets.py", here / "unseen.py", *unseen.SOURCES, *methods.sources(method)]
    lines = "".join(f"{_what_it_does(file)}  {file.name}\n" for file in own)
    return hashlib.sha256(lines.encode()).hexdigest()


def _what_it_does(file: Path) -> str:
    """Return a digest of a file; of Python without comments, docstrings and layout."""
    if file.suffix != ".py":
        return digest(file)
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _run(cell: Cell, options: Options, folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    job = {**asdict(cell), **{name: str(value) for name, value in asdict(options).items()}}
    log = partial / "log.txt"
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "benchmarks.quality.cell", json.dumps(job), str(partial)]
        done = subprocess.run(command, cwd=_ROOT, stdout=output, stderr=output, check=False)
    if done.returncode:
        tail = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise CellError(
            f"{cell} failed after {time.monotonic() - began:.0f} s; see {log}:\n" + "\n".join(tail)
        )
    shutil.rmtree(partial / "work", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def options_of(job: Mapping[str, str]) -> Options:
    """Return the options that a cell's process was given."""
    return Options(Path(job["data"]), Path(job["work"]), job["quick"] == "True", float(job["setfit_seconds"]))


def write(folder: Path, facts: Mapping[str, Any], **arrays: NDArray[Any]) -> None:
    """Write a cell's outcome; the file that says that it is whole comes last."""
    np.savez_compressed(folder / _ARRAYS, **arrays)
    (folder / _RESULT).write_text(json.dumps(facts, indent=1) + "\n")


def read(cell: Cell, folder: Path) -> Measured:
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        parts = {name: arrays[name] for name in ("truth", "probabilities", "rows", "fold")}
    return Measured(cell=cell, facts=json.loads((folder / _RESULT).read_text()), **parts)
