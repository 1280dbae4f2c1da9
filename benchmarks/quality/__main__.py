"""The recipes beside cheap methods and peers, on public data.

    python -m benchmarks.quality [--data FOLDER] [--only METHOD,…] [--sets SET,…] [--seeds 0,1,2] [--quick]

Each cell (method, set, seed) is trained and measured in a process of its own and kept on disk, so that an
interrupted benchmark goes on. Figures of all cells that are kept go to benchmarks/results/quality.json and
into benchmarks/RESULTS.md.
"""

import argparse
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import json_files, public_data
from benchmarks.quality import plan, section
from benchmarks.quality.cells import CellError, Measured, Options, is_kept, measure
from benchmarks.quality.command_line import ROOT, among, numbers, say
from benchmarks.quality.methods import METHODS
from benchmarks.quality.sets import SETS
from benchmarks.quality.summary import summarised
from benchmarks.quality.targets import targets

RESULTS = Path(__file__).parent.parent / "results" / "quality.json"


def main() -> int:
    arguments = _arguments()
    options = Options(
        data=arguments.data.resolve(),
        work=(arguments.work / ("quick" if arguments.quick else "whole")).resolve(),
        quick=arguments.quick,
        setfit_seconds=60 * arguments.setfit_minutes,
    )
    available, absent = plan.available()
    wanted = [method for method in arguments.only if method in available]
    for method in absent:
        say(f"{method} is left out: the product has no such recipe.")
    failed = _measure(plan.cells(wanted, arguments.sets, arguments.seeds, arguments.shots), options)
    content = summarised(_kept(options, arguments.seeds, arguments.shots), failed, absent)
    content["command"] = public_data.command("benchmarks.quality", sys.argv[1:])
    _tell(content)
    if arguments.quick:
        json_files.write(options.work / "quality.json", content)
        print(section.rendered(content))
    else:
        json_files.write(RESULTS, content)
        section.write(content)
    return 1 if failed else 0


def _measure(cells: Sequence[plan.Cell], options: Options) -> dict[str, str]:
    """Measure the cells one after another; return why some could not be."""
    failed = {}
    for number, cell in enumerate(cells, 1):
        if is_kept(cell, options):
            continue
        began = time.monotonic()
        say(f"[{number}/{len(cells)}] {cell} …")
        try:
            measure(cell, options)
        except CellError as error:
            failed[str(cell)] = str(error)
            say(str(error))
        except OSError as error:  # such as a full disk: cells that are kept shall still be summed up
            failed[str(cell)] = f"{type(error).__name__}: {error}"
            say(failed[str(cell)])
        say(f"[{number}/{len(cells)}] {cell}: {time.monotonic() - began:.0f} s")
    return failed


def _kept(options: Options, seeds: Sequence[int], shots: Sequence[int]) -> list[Measured]:
    """Return what this and earlier calls measured; what cannot be read any more is left out."""
    found = []
    for cell in plan.everything(options.data, seeds, shots):
        if is_kept(cell, options):
            try:
                found.append(measure(cell, options))
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                say(f"{cell} cannot be read and is left out: {error}")
    return found


def _tell(content: dict[str, Any]) -> None:
    for target in targets(content):
        say(f"{target.verdict.strip('*'):12} {target.what}: {target.found} (wanted {target.wanted})")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    add = parser.add_argument
    public_data.add_option(parser)
    add("--work", type=Path, default=ROOT / "build" / "bench-quality", help="where cells are kept")
    add("--only", type=among(METHODS), default=list(METHODS), help=f"of {', '.join(METHODS)}")
    add("--sets", type=among(tuple(SETS)), default=list(SETS), help=f"of {', '.join(SETS)}")
    add("--seeds", type=numbers, default=None, help="default 0,1,2; with --quick 0")
    add("--shots", type=numbers, default=None, help="rows a class of the few-shot cells; '' for none")
    add("--quick", action="store_true", help="try every step on few rows; its figures are worth nothing")
    add(
        "--setfit-minutes",
        type=float,
        default=10.0,
        help="about, for the training of one SetFit cell where nothing else runs",
    )
    arguments = parser.parse_args()
    if arguments.seeds is None:
        arguments.seeds = [0] if arguments.quick else list(plan.SEEDS)
    if arguments.shots is None:
        arguments.shots = [plan.SHOTS[0]] if arguments.quick else list(plan.SHOTS)
    public_data.need(parser, arguments.data, arguments.sets)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
