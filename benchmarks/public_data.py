"""The public sets that benchmarks read: where they lie, and what is said where they do not. See DATA.md."""

import argparse
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "data"  # git ignores it: the sets have licences of their own
_OPTION = "--data"


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(_OPTION, type=Path, default=FOLDER, help="folder of the public sets; see DATA.md")


def need(parser: argparse.ArgumentParser, folder: Path, names: Iterable[str]) -> None:
    """End the command with one sentence that says what to do, unless every set is there."""
    if missing := [f"{name}.jsonl" for name in names if not (folder / f"{name}.jsonl").is_file()]:
        parser.error(
            f"{folder} lacks {', '.join(missing)}: benchmarks/DATA.md says where sets are to be had from and "
            f"what they look like; {_OPTION} FOLDER reads them from elsewhere"
        )


def command(module: str, arguments: Sequence[str]) -> str:
    """Return a command as results record it: without where data lies on the machine that measured."""
    words = [_told(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]
    return shlex.join(["python", "-m", module, *words])


def _told(before: str, word: str) -> str:
    if word.startswith(f"{_OPTION}="):
        return f"{_OPTION}=DATA"
    return "DATA" if before == _OPTION else word
