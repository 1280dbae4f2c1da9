"""What the commands of this benchmark share: where data lies, how arguments are read and results written."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def among(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(given: str) -> list[str]:
        names = given.split(",")
        if unknown := sorted(set(names) - set(known)):
            raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; use {', '.join(known)}")
        return names

    return parse


def numbers(given: str) -> list[int]:
    return [int(number) for number in given.split(",") if number]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        beside.write_text(json.dumps(_rounded(content), indent=2) + "\n")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _rounded(value: Any) -> Any:
    """Keep five digits: what is behind them is no measurement."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
