"""An exported evaluator on a real Triton server.

    python -m benchmarks.triton [--bundle FOLDER] [--texts 500]

Exports a bundle (one is trained if none is given), serves the repository unchanged, and
compares the scores that come back over gRPC with those in this process. Then asks from
several threads for a while. Figures go to benchmarks/results/triton.json.
"""

import argparse
import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.scorer import evaluators, texts
from benchmarks.triton import server
from benchmarks.triton.parity import compare, contents, in_process
from tritonclient.grpc import InferenceServerClient

from gnomon.instances import Instance, text_span
from gnomon.triton import TritonEvaluator, write_repository

_ROOT = Path(__file__).parents[2]
_MOST_DIFFERENCE = 1e-5
_CALLERS = 8


def main() -> int:
    arguments = _arguments()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    installed = server.install(work / "server")
    trained = arguments.bundle or evaluators.trained(work)
    bundle = evaluators.cut(trained, work / "bundle", "exported")
    instances = [text_span(input=text) for text in texts.mixed(None, arguments.texts)]
    shutil.rmtree(work / "repository", ignore_errors=True)
    model = write_repository(bundle, work / "repository")
    before = contents(work / "repository")
    with server.running(installed, model.parent, work / "server.log") as address:
        found = _measured(address, model, bundle, instances, arguments.seconds)
    found["repository_unchanged"] = contents(work / "repository") == before
    found["bundle"] = evaluators.identity(trained)
    print(json.dumps(found, indent=2))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(found, indent=2) + "\n")
    as_wanted = found["difference"] <= _MOST_DIFFERENCE and not found["label_changes"]
    return 0 if as_wanted and found["repository_unchanged"] else 1


def _measured(
    address: str, model: Path, bundle: Path, instances: list[Instance], seconds: float
) -> dict[str, Any]:
    client = InferenceServerClient(address)
    with TritonEvaluator(address, model) as evaluator:
        parity = compare(in_process(bundle, instances), evaluator.score(instances))
        one = _per_second(evaluator, instances, 1, seconds)
        many = _per_second(evaluator, instances, _CALLERS, seconds)
    (statistics,) = client.get_inference_statistics(model.name, as_json=True)["model_stats"]
    version = client.get_server_metadata().version
    client.close()
    return {
        **asdict(parity),
        "one_caller_per_second": round(one, 1),
        f"{_CALLERS}_callers_per_second": round(many, 1),
        "rows_a_batch": round(int(statistics["inference_count"]) / int(statistics["execution_count"]), 2),
        "triton": version,
        "cores": os.cpu_count(),
    }


def _per_second(evaluator: TritonEvaluator, instances: list[Instance], callers: int, seconds: float) -> float:
    """Return scores a second of callers that ask for one instance after the other."""
    until = time.monotonic() + seconds

    def calls(first: int) -> int:
        done = 0
        while time.monotonic() < until:
            evaluator.score([instances[(first + done * callers) % len(instances)]])
            done += 1
        return done

    began = time.monotonic()
    with ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(calls, range(callers))) / (time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.triton", description=__doc__)
    add = parser.add_argument
    add("--work", type=Path, default=_ROOT / "build" / "triton", help="where all that is made is kept")
    add("--bundle", type=Path, help="an evaluator's bundle, instead of training one")
    add("--texts", type=int, default=500)
    add("--seconds", type=float, default=10.0, help="of each of the two loads")
    add("--results", type=Path, default=_ROOT / "benchmarks" / "results" / "triton.json")
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    return arguments


if __name__ == "__main__":
    sys.exit(main())
