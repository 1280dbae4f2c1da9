"""What the commands of this benchmark share: how arguments are read."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
