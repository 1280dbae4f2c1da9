"""The scorer beside its raw limit and its peers, in one go.

    python -m benchmarks.scorer [--data FOLDER] [--only STEP,STEP] [--quick]

Trains an evaluator (or takes one), serves it with real processes, and measures step by
step; each step's figures go to benchmarks/results/scorer.json as soon as they are there,
and all of them into benchmarks/RESULTS.md at the end. A failed step leaves no figures.
"""

import argparse
import json
import shutil
import signal
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import public_data
from benchmarks.scorer import evaluators, section, texts
from benchmarks.scorer.bench import METRIC, Bench
from benchmarks.scorer.results import FILE, Results, origin
from benchmarks.scorer.site import Site
from benchmarks.scorer.steps import STEPS
from benchmarks.scorer.targets import targets

_ROOT = Path(__file__).parents[2]
_TEXTS = 1_280  # twenty requests of 64


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped as well
    arguments.work.mkdir(parents=True, exist_ok=True)
    file = arguments.work / "quick.json" if arguments.quick else FILE
    results = Results(arguments.results or file)
    failed = 0
    with ExitStack() as stack:
        bench = _bench(arguments, stack)
        for name in arguments.only:
            failed += not _step(name, bench, results)
    for target in targets(results.content):
        if target.met is not None:
            _say(f"{target.verdict.strip('*'):7} {target.what}: {target.found} (wanted {target.wanted})")
    if not arguments.quick:
        section.write(results.content)
    return 1 if failed else 0


def _step(name: str, bench: Bench, results: Results) -> bool:
    began = time.monotonic()
    _say(f"--- {name} …")
    try:
        outcome = STEPS[name](bench)
    except Exception as error:
        traceback.print_exc()
        results.failed(name, f"{type(error).__name__}: {error}", _origin(bench))
        _recover(bench)
        return False
    results.succeeded(name, outcome, _origin(bench))
    _say(json.dumps(outcome.figures))
    _say(f"--- {name}: {time.monotonic() - began:.0f} s")
    return True


def _recover(bench: Bench) -> None:
    try:
        bench.recover()
    except Exception:  # the next step says so itself, and tries again
        traceback.print_exc()


def _origin(bench: Bench) -> dict[str, Any]:
    return origin(bench.quick) | {"bundle": evaluators.identity(bench.source)}


def _bench(arguments: argparse.Namespace, stack: ExitStack) -> Bench:
    """Start what the steps need: a served evaluator and its texts."""
    work: Path = arguments.work
    data = texts.usable(arguments.data)
    if data != arguments.data:
        _say(
            f"{arguments.data} lacks some of {', '.join(texts.FILES)}: the texts are those of the examples. "
            "benchmarks/DATA.md says where the sets are to be had from."
        )
    source = arguments.bundle or evaluators.trained(work)
    if arguments.assume_formats:
        source = evaluators.all_formats(source, work / "assumed")
    folder = evaluators.cut(source, work / "served", METRIC)
    chosen = texts.mixed(data, 128 if arguments.quick else _TEXTS)
    texts_file = work / "texts.json"
    texts_file.write_text(json.dumps(chosen))
    home = work / "site"
    shutil.rmtree(home, ignore_errors=True)
    site = stack.enter_context(Site(home))
    evaluator = evaluators.read(folder)
    version = site.publish(METRIC, folder, evaluator.classes, evaluator.flagged_classes)
    site.wait_until_scored(version)
    loaded = site.loaded()[version]
    _say(f"{version} is served as {loaded.format}, {loaded.tuning.chosen.threads or 1} thread(s) a call.")
    return Bench(
        work=work,
        quick=arguments.quick,
        soak_minutes=arguments.soak_minutes if not arguments.quick else 0.4,
        texts=chosen,
        texts_file=texts_file,
        source=source,
        folder=folder,
        site=site,
        version=version,
        format=loaded.format,
        threads=loaded.tuning.chosen.threads or 1,
        stack=stack,
        texts_from="the public sets" if data else "the packaged examples",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorer", description=__doc__)
    add = parser.add_argument
    public_data.add_option(parser)
    add("--work", type=Path, default=_ROOT / "build" / "bench", help="where all that is made is kept")
    add("--bundle", type=Path, help="an evaluator's bundle, instead of training one")
    add(
        "--assume-formats",
        action="store_true",
        help="declare OpenVINO formats that passed no gate: for trials",
    )
    add("--only", type=_steps, default=list(STEPS), help=f"of {', '.join(STEPS)}")
    add("--quick", action="store_true", help="try every step for seconds; its figures are worth nothing")
    add("--soak-minutes", type=float, default=15.0)
    add("--results", type=Path, help="the results file, if not the repository's")
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    return arguments


def _steps(given: str) -> list[str]:
    names = given.split(",")
    unknown = set(names) - set(STEPS)
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no step {', '.join(sorted(unknown))}")
    return names


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
