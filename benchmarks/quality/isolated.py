"""What each part of the recipe `small` is worth: one is changed at a time, and all is measured beside it.

    python -m benchmarks.quality.isolated [--data FOLDER] [--sets banking77,…] [--rows 2000] [--seeds 0,1,2]

Rows of the sets' training sides alone: as many to learn from, by class, and all others, 2,000 at most, to
measure on. Their test rows are not looked at. Figures go to benchmarks/results/isolated.json and into
benchmarks/RESULTS.md; what is kept of a try that was broken off is taken over.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import json_files, public_data
from benchmarks.quality import cells, figures, origin, section
from benchmarks.quality.cells import Cell, Measured, sources_digest
from benchmarks.quality.command_line import ROOT, among, numbers, say
from benchmarks.quality.methods import gnomon
from benchmarks.quality.sets import SETS, Division, PublicSet, classes_of, divisions, parted
from benchmarks.quality.task import Task

RESULTS = Path(__file__).parent.parent / "results" / "isolated.json"
_MOST_MEASURED = 2_000
# What the recipe has otherwise stands first: a name, and what is asked of the run.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "the recipe": {},
    "the first token's vector instead of the mean": {"pooling": "first"},
    "encoder at 3e-5 instead of 1e-4": {"learning_rate": 3e-5},
    "encoder at 3e-4": {"learning_rate": 3e-4},
    "head at 1e-4 instead of 1e-3": {"head_learning_rate": 1e-4},
    "classes not weighted (n^-0.5 in the recipe)": {"class_weight_power": 0.0},
    "classes weighted by n^-1": {"class_weight_power": 1.0},
    "weights averaged (0.99)": {"weight_averaging": 0.99},
    "rates fall by 0.8 a layer": {"layer_decay": 0.8},
}


def main() -> int:
    arguments = _arguments()
    found: dict[str, dict[str, list[Measured]]] = {}
    for name in arguments.sets:
        public = SETS[name]
        for variant, parameters in VARIANTS.items():
            for seed in arguments.seeds:
                say(f"{name}, {variant}, seed {seed} …")
                part = parted(
                    divisions(public, arguments.data, seed)[0], seed, arguments.rows, _MOST_MEASURED
                )
                one = _measured(public, part, seed, parameters, arguments.work, arguments.rows)
                found.setdefault(name, {}).setdefault(variant, []).append(one)
    content = {
        "command": public_data.command("benchmarks.quality.isolated", sys.argv[1:]),
        "origin": origin.now(quick=False),
        "rows": arguments.rows,
        "seeds": arguments.seeds,
        "sets": {name: _figures(SETS[name], by_variant) for name, by_variant in found.items()},
    }
    json_files.write(RESULTS, content)
    section.put("isolated", rendered(content))
    return 0


def _measured(
    public: PublicSet, part: Division, seed: int, parameters: Mapping[str, Any], folder: Path, rows: int
) -> Measured:
    cell = Cell("gnomon_small", public.name, seed)
    asked = json.dumps(parameters, sort_keys=True)
    kept = folder / f"{public.name}-{rows}-{seed}-{asked}-{sources_digest('gnomon_small')[:12]}"
    if not cells.is_whole(kept):
        kept.mkdir(parents=True, exist_ok=True)
        classes = classes_of([*part.training, *part.test])
        with tempfile.TemporaryDirectory() as work:
            task = Task(public, part, classes, seed, Path(work), quick=False, setfit_seconds=0.0)
            answer = gnomon.answer(task, "small", **parameters)
        arrays = {"truth": task.test_labels, "probabilities": answer.probabilities}
        lines = np.array(part.test_rows)
        cells.write(kept, answer.notes, **arrays, rows=lines, fold=np.zeros_like(lines))
    return cells.read(cell, kept)


def _figures(public: PublicSet, by_variant: Mapping[str, Sequence[Measured]]) -> dict[str, Any]:
    """Return each variant's figure, and how much more it is than the recipe's, paired."""
    entries = {}
    recipe = next(iter(by_variant.values()))
    for variant, seeds in by_variant.items():
        value = figures.interval(figures.over_seeds(seeds, public.figure))
        gain = figures.difference(seeds, recipe, public.figure)
        entries[variant] = {
            "value": value.value,
            "interval": [value.low, value.high],
            "gain": gain.value,
            "gain_interval": [gain.low, gain.high],
            "verdict": gain.verdict,
            "ece": figures.ece(seeds),
        }
    return {"figure": public.figure, "variants": entries}


def rendered(content: Mapping[str, Any]) -> str:
    """Return the section of RESULTS.md."""
    about, seeds = content["origin"], ", ".join(map(str, content["seeds"]))
    lines = [
        "## The parts of the recipe `small`, each changed alone",
        "",
        f"`{about['date']}`, commit `{about['commit']}`, {about['machine']}, `{content['command']}`. "
        f"{content['rows']:,} rows of the training side to learn from, others of it, {_MOST_MEASURED:,} at "
        f"most, to measure on; seeds {seeds}. In brackets 95 % intervals over rows and seeds, gains paired.",
        "",
        "| set, figure | | value | gain over the recipe | ECE |",
        "|---|---|---|---|---|",
    ]
    for name, one in content["sets"].items():
        for variant, entry in one["variants"].items():
            low, high = entry["gain_interval"]
            gain = f"{entry['gain']:+.3f} ({low:+.3f} to {high:+.3f}), {entry['verdict']}"
            ends = "–".join(f"{end:.3f}" for end in entry["interval"])
            lines.append(
                f"| `{name}`, {section.FIGURES[one['figure']]} | {variant} | {entry['value']:.3f} ({ends}) "
                f"| {'' if variant == next(iter(VARIANTS)) else gain} | {entry['ece']:.3f} |"
            )
    return "\n".join([*lines, ""])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.isolated", description=__doc__)
    add = parser.add_argument
    public_data.add_option(parser)
    add("--work", type=Path, default=ROOT / "build" / "bench-quality" / "isolated", help="what is kept")
    single = [name for name, public in SETS.items() if not public.by_folds]
    add("--sets", type=among(single), default=["banking77", "davidson_hate"], help=f"of {', '.join(single)}")
    add("--rows", type=int, default=2_000, help="to learn from")
    add("--seeds", type=numbers, default=[0, 1, 2])
    arguments = parser.parse_args()
    public_data.need(parser, arguments.data, arguments.sets)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
