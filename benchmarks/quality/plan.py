"""Which cells there are, and what is made of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.quality.cells import Cell
from benchmarks.quality.methods import METHODS, recipe_of
from benchmarks.quality.sets import SETS, file_of

SEEDS = (0, 1, 2)
SHOTS = (8, 16, 64)
FEW_SHOT_SETS = ("banking77", "davidson_hate")
FEW_SHOT_METHODS = ("setfit", "gnomon_small", "gnomon_few")
FULL_METHODS = tuple(method for method in METHODS if method != "gnomon_few")
LARGER_SETS = ("banking77", "davidson_hate")  # whose training speed is compared


def available() -> tuple[list[str], list[str]]:
    """Return the methods that can be measured, and those whose recipe the product does not have."""
    from benchmarks.quality.methods.gnomon import offers

    absent = [method for method in METHODS if (recipe := recipe_of(method)) and not offers(recipe)]
    return [method for method in METHODS if method not in absent], absent


def cells(
    methods: Iterable[str], sets: Sequence[str], seeds: Sequence[int], shots: Sequence[int]
) -> list[Cell]:
    """Return the cells in the order in which they are measured: whole seeds, the cheap methods first."""
    chosen = set(methods)
    full = [
        Cell(method, name, seed)
        for seed in seeds
        for name in sets
        for method in FULL_METHODS
        if method in chosen
    ]
    few = [
        Cell(method, name, seed, count)
        for seed in seeds
        for name in sets
        if name in FEW_SHOT_SETS
        for count in shots
        for method in FEW_SHOT_METHODS
        if method in chosen
    ]
    return full + few


def everything(data: Path, seeds: Iterable[int], shots: Iterable[int]) -> list[Cell]:
    """Return all cells that this or an earlier call may have measured, of the sets that are there."""
    present = [name for name, public in SETS.items() if file_of(public, data).exists()]
    return cells(METHODS, present, sorted({*SEEDS, *seeds}), sorted({*SHOTS, *shots}))
