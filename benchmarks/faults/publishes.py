"""Publications at once while their registry is killed again and again."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import history, store
from benchmarks.faults.calling import RegistryCalls, publish_until_answered
from benchmarks.faults.history import Recorder
from benchmarks.faults.sites import Site, site

METRIC = "toxicity"


@dataclass(frozen=True, slots=True)
class Plan:
    publishes: int = 500
    kills: int = 10
    seed: int = 1


def measure(home: Path, plan: Plan, databases: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what came of the publications; `problems` is empty where each had one effect."""
    recorder, random_ = Recorder(time.monotonic), random.Random(plan.seed)
    with site(home, ("registry",), databases) as made, made.client() as client:
        registry_process = made.services["registry"]
        setting_up = RegistryCalls(registry_process.address)
        setting_up.make_metric(METRIC)
        done = threading.Event()

        def publish(number: int) -> int | None:
            return publish_until_answered(
                recorder, calls[number % len(calls)], METRIC, str(number), done.is_set
            )

        calls = [RegistryCalls(registry_process.address) for _ in range(8)]
        began = time.monotonic()
        with ThreadPoolExecutor(plan.publishes) as pool:
            answers = [pool.submit(publish, number) for number in range(plan.publishes)]
            killed = _kill_often(made, plan, random_, lambda: all(answer.done() for answer in answers))
            numbers = [answer.result() for answer in answers]
        seconds = time.monotonic() - began
        recorder.call("list_versions", lambda: setting_up.versions(METRIC), metric=METRIC)
        problems = history.problems(recorder.calls) + store.problems_of(client, made.artifacts, (METRIC,))
        for each in (*calls, setting_up):
            each.close()
    if sorted(filter(None, numbers)) != list(range(1, plan.publishes + 1)):
        problems.append("the numbers are not 1 to the number of publications, each once")
    unanswered = sum(call.answer is None for call in recorder.calls)
    return {
        "problems": problems,
        "publishes": plan.publishes,
        "calls": len(recorder.calls),
        "calls_without_answer": unanswered,
        "kills": killed,
        "seconds": seconds,
    }


def _kill_often(made: Site, plan: Plan, random_: random.Random, is_over: Any) -> int:
    """Kill the registry and start it again, some calls apart; return how often that was before the end."""
    for kill in range(plan.kills):
        time.sleep(random_.uniform(0.05, 1.0))
        if is_over():
            return kill
        made.services["registry"].kill()
        made.services["registry"].start()
    return plan.kills
