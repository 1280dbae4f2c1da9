"""What a judge's work costs beside what the endpoint takes for it.

    python -m benchmarks.judge [--labels 2000] [--concurrency 16] [--delay-s 0.2] [--quick]

A scripted endpoint in a process of its own answers every question after the delay. A real trainer asks it
for the labels: by `JudgeInstances`, in requests of 100 that are sent at once, and by a labelling; the naive
way, an HTTP client and a semaphore, stands beside. The ideal is labels x delay / concurrency. Figures go to
benchmarks/results/judge.json and into benchmarks/RESULTS.md.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks import json_files
from benchmarks.judge import section
from benchmarks.quality import origin

import gnomon
from gnomon import local

RESULTS = Path(__file__).parent.parent / "results" / "judge.json"
_A_REQUEST = 100
_METRIC = "toxicity"


@dataclass(frozen=True, slots=True)
class Load:
    labels: int
    concurrency: int
    delay_s: float

    @property
    def ideal_s(self) -> float:
        return self.labels * self.delay_s / self.concurrency


def main() -> int:
    options = _options()
    load = Load(options.labels, options.concurrency, options.delay_s)
    content: dict[str, Any] = {"origin": origin.now(quick=options.quick), "ways": {}}
    content |= {"labels": load.labels, "concurrency": load.concurrency, "delay_s": load.delay_s}
    content |= {"ideal_s": load.ideal_s, "repetitions": options.repetitions}
    for _ in range(options.repetitions):
        for name, measure in WAYS.items():
            with scripted(load.delay_s) as url:
                found = measure(url, load) | {"endpoint": _look(url), "others_load": os.getloadavg()[0]}
            content["ways"].setdefault(name, []).append(found)
            print(name, json.dumps(found), flush=True)
    if options.quick:
        print(section.rendered(content))
    else:
        json_files.write(RESULTS, content)
        section.write(content)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--labels", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--delay-s", type=float, default=0.2)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few labels; nothing is kept")
    options = parser.parse_args()
    if options.quick:
        options.labels, options.repetitions = 320, 1
    return options


@contextlib.contextmanager
def scripted(delay_s: float) -> Iterator[str]:
    """Run the endpoint; yield its base URL."""
    command = [sys.executable, "-m", "benchmarks.judge.scripted", "--delay-s", str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def _look(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url) as answer:
        seen: dict[str, Any] = json.loads(answer.read())
    return seen


# ---------------------------------------------------------------------- the ways


def by_hand(url: str, load: Load) -> dict[str, Any]:
    arguments = [f"{url}/chat/completions", str(load.labels), str(load.concurrency), "--likely"]
    command = [sys.executable, "-m", "benchmarks.judge.naive", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_requests(url: str, load: Load) -> dict[str, Any]:
    async def ask(addresses: Mapping[str, str]) -> int:
        async with gnomon.AsyncClient(**addresses, timeout_s=600) as client:
            parts = [_rows(load.labels)[at : at + _A_REQUEST] for at in range(0, load.labels, _A_REQUEST)]
            calls = [client.judges.judge(_METRIC, part, provider="scripted") for part in parts]
            return sum(
                result.HasField("judgement")
                for done in await asyncio.gather(*calls)
                for result in done.results
            )

    with deployed(url, load) as (services, addresses), _clock(services["trainer"]) as found:
        found["labels"] = asyncio.run(ask(addresses))
    return found


def by_labelling(url: str, load: Load) -> dict[str, Any]:
    with deployed(url, load) as (services, addresses), gnomon.Client(**addresses, timeout_s=600) as client:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in _rows(load.labels)))
            client.datasets.upload("rows", file, metric=_METRIC, unlabelled=True)
        with _clock(services["trainer"]) as found:
            made = client.labellings.label("rows", provider="scripted", canary_count=0).result(timeout_s=600)
        found["labels"] = made.progress.judged_count
    return found


WAYS = {
    "by hand: an HTTP client and a semaphore": by_hand,
    "`JudgeInstances`, requests of 100": by_requests,
    "a labelling": by_labelling,
}


def _rows(count: int) -> list[dict[str, str]]:
    """Return rows of about 300 tokens with the prompt, no two the same."""
    return [{"input": f"Question {n}?", "output": f"Answer {n}: " + "word " * 60} for n in range(count)]


@contextlib.contextmanager
def deployed(url: str, load: Load) -> Iterator[tuple[dict[str, local.ServiceProcess], dict[str, str]]]:
    """Run a registry and a trainer that may call the endpoint; yield them and their addresses."""
    with tempfile.TemporaryDirectory() as home:
        services = local.deployment(Path(home))
        del services["scorer"]
        registry, trainer = services["registry"], services["trainer"]
        try:
            registry.start()
            trainer.environment = dict(trainer.environment) | {
                "GNOMON_TRAINER_REGISTRY_ADDRESS": registry.address,
                "GNOMON_TRAINER_ALLOWED_HOSTS": url.split("/")[2],
                "GNOMON_TRAINER_JUDGE_CONCURRENCY": str(load.concurrency),
                "GNOMON_TRAINER_WORKERS": "0",
            }
            trainer.start()
            addresses = {name: service.address for name, service in services.items()}
            with gnomon.Client(**addresses, timeout_s=60) as client:
                client.metrics.install_preset("toxicity-output", _METRIC)
                client.providers.create("scripted", base_url=url, model="scripted")
            yield services, addresses
        finally:
            local.stop(services)


@contextlib.contextmanager
def _clock(trainer: local.ServiceProcess) -> Iterator[dict[str, Any]]:
    """Put seconds of the clock, and of the trainer's processor, into what is yielded."""
    assert trainer.process is not None
    process = psutil.Process(trainer.process.pid)
    before, began = process.cpu_times(), time.perf_counter()
    found: dict[str, Any] = {}
    yield found
    after = process.cpu_times()
    found["seconds"] = time.perf_counter() - began
    found["processor_s"] = after.user + after.system - before.user - before.system
    found["peak_mb"] = process.memory_info().rss / 2**20


if __name__ == "__main__":
    sys.exit(main())
