"""From the cells to benchmarks/results/quality.json: by set and method, the rest apart."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any

from benchmarks.quality import figures
from benchmarks.quality.cells import Measured
from benchmarks.quality.figures import Interval
from benchmarks.quality.methods import BASELINES, METHODS, recipe_of
from benchmarks.quality.plan import FEW_SHOT_SETS, FULL_METHODS, SHOTS
from benchmarks.quality.sets import SETS

PRODUCT = tuple(method for method in METHODS if recipe_of(method))
_FEW_SHOT_FIGURE = "accuracy"


def summarised(measured: Sequence[Measured], failed: dict[str, str], absent: Sequence[str]) -> dict[str, Any]:
    """Return the file's content; null where a method was not measured on a set."""
    groups: dict[tuple[str, int], dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))
    for cell in sorted(measured, key=lambda one: one.cell.seed):
        groups[cell.cell.public, cell.cell.shots][cell.cell.method].append(cell)
    content: dict[str, Any] = {}
    for name, public in SETS.items():
        found = groups.get((name, 0), {})
        content[name] = {method: _entry(found.get(method), public.figure) for method in FULL_METHODS}
    content["comparisons"] = {
        name: _comparisons(groups.get((name, 0), {}), public.figure, BASELINES)
        for name, public in SETS.items()
    }
    content["few_shot"] = {
        name: {str(count): _few_shot(groups.get((name, count), {})) for count in _shots(groups)}
        for name in FEW_SHOT_SETS
    }
    content["sets"] = {
        name: _about(groups.get((name, 0), {}), public.figure) for name, public in SETS.items()
    }
    content["failed"] = failed
    content["absent"] = list(absent)
    content["origins"] = _origins(measured)
    return content


def _shots(groups: Iterable[tuple[str, int]]) -> list[int]:
    return sorted({*SHOTS, *(shots for _, shots in groups if shots)})


def _entry(cells: Sequence[Measured] | None, figure: str) -> dict[str, Any] | None:
    if not cells:
        return None
    found = figures.interval(figures.over_seeds(cells, figure))
    accuracy = figures.interval(figures.over_seeds(cells, "accuracy"))
    return {
        "mean": found.value,
        "interval": [found.low, found.high],
        "accuracy": accuracy.value,
        "ece": figures.ece(cells),
        "seconds": mean(cell.facts["fit_s"] for cell in cells),
        "seconds_whole": mean(cell.facts["whole_s"] for cell in cells),
        "processor_seconds": mean(cell.facts["fit_processor_s"] for cell in cells),
        "processor_seconds_whole": mean(cell.facts["whole_processor_s"] for cell in cells),
        "rows_per_s": _mean_rate(cells, "rows_per_s"),
        "rows_per_processor_s": _mean_rate(cells, "rows_per_processor_s"),
        "seeds": [cell.cell.seed for cell in cells],
        "same_as": _same_as(cells),
        "notes": cells[0].facts["notes"][0],
    }


def _same_as(cells: Iterable[Measured]) -> str:
    """Return the method whose trainings these are; empty unless all of them are."""
    names = {cell.facts.get("same_as", "") for cell in cells}
    return str(names.pop()) if len(names) == 1 else ""


def _mean_rate(cells: Iterable[Measured], fact: str) -> float | None:
    rates = [cell.facts[fact] for cell in cells]
    return None if None in rates else mean(rates)


def _few_shot(found: dict[str, list[Measured]]) -> dict[str, Any]:
    entries = {m: entry for m, cells in found.items() if (entry := _entry(cells, _FEW_SHOT_FIGURE))}
    return {"methods": entries, "comparisons": _comparisons(found, _FEW_SHOT_FIGURE, ("setfit",))}


def _comparisons(
    found: dict[str, list[Measured]], figure: str, others: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return, of each of the product's methods, the differences to others by their common seeds."""
    result = {}
    for own in PRODUCT:
        pairs = {other: _common(found.get(own, []), found.get(other, [])) for other in others}
        result[own] = {
            other: _shown(figures.difference(*pair, figure)) for other, pair in pairs.items() if pair[0]
        }
    return {own: differences for own, differences in result.items() if differences}


def _common(first: Sequence[Measured], second: Sequence[Measured]) -> tuple[list[Measured], list[Measured]]:
    seeds = {one.cell.seed for one in first} & {one.cell.seed for one in second}
    return [o for o in first if o.cell.seed in seeds], [o for o in second if o.cell.seed in seeds]


def _shown(found: Interval) -> dict[str, Any]:
    return asdict(found) | {"verdict": found.verdict}


def _about(found: dict[str, list[Measured]], figure: str) -> dict[str, Any]:
    cells = [cell for own in found.values() for cell in own]
    if not cells:
        return {"figure": figure}
    counted = {name: cells[0].facts[name] for name in ("training_rows", "left_out_rows")}
    return {"figure": figure, **counted, "test_rows": len(cells[0].truth)}


def _origins(measured: Sequence[Measured]) -> dict[str, list[str]]:
    """Return the dates, commits and machines of all cells, each once, in order."""
    every = [cell.facts["origin"] for cell in measured]
    found = {key: sorted({str(one[key]) for one in every}) for key in ("date", "commit", "machine", "quick")}
    return found if every else {}
