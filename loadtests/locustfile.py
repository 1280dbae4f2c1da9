"""A service objective as a locust load, with locust's own pages, workers and reports.

    GNOMON_OBJECTIVE=loadtests/objectives/guardrail.toml GNOMON_METRIC=toxicity \\
        locust -f loadtests/locustfile.py --headless --host 127.0.0.1:7412 --html report.html

Entries: `grpc` are the calls that were answered, by input length; `refused` and `failed`
those that were not; `step` is where the scorer says the time of answered calls went; `tokens` are
no times but the lengths of answered calls, as asked and as read by the evaluator.

A user waits for its answer, but calls no more than once in a deadline, so that the rate does
not sink with the scorer. A latency counts from when a call left, not from when it was meant
to, and users call evenly, not at random: for the tail under stress believe `loadtests.open_loop`.

Exit status: 0 met, 1 missed, 2 wrong usage.
"""

import itertools
import logging
import math
import random
import time
from pathlib import Path
from typing import Any

import gevent
import grpc
import grpc.experimental.gevent as grpc_gevent
from locust import LoadTestShape, User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import StatsEntry

import gnomon
from gnomon._security import security_of
from gnomon.errors import GnomonError, InvalidRequestError
from loadtests import objective as objectives
from loadtests import texts as sources
from loadtests.mix import bucket
from loadtests.objective import Objective
from loadtests.open_loop import REFUSED, score_requests
from loadtests.target import CALLER_HEADER, SCORE, read_answer
from loadtests.verdict import Measured, Phase, judge, percent_off, phases

grpc_gevent.init_gevent()  # locust has patched the rest by now; before any channel

_RATE_SLACK = 0.05  # of the rates, which the users keep only about
_USERS_PER_S = 100.0  # that come or go
_MOST_REQUESTS = 100_000  # that are made before the start; a longer load begins anew with the first

log = logging.getLogger(__name__)


class Load:
    """What is sent; one for all users of a process."""

    objective: Objective
    parts: list[Phase]
    requests: "itertools.cycle[tuple[bytes, int]]"  # each with the tokens it was meant to have

    def prepare(self, options: Any, host: str) -> None:
        """Read the objective and make the requests.

        Raises:
            GnomonError: the objective, the texts or the metric are not usable, or nobody answers.
        """
        self.objective = objectives.load(Path(options.objective))
        self.parts = phases(self.objective, options.seconds)
        shortest_s = 3 * (2.0 + max(map(self.settling_s, self.parts)))
        if options.seconds < shortest_s:
            raise InvalidRequestError(f"This objective takes --seconds {math.ceil(shortest_s)} or more.")
        rows = sources.read_rows(Path(options.texts)) if options.texts else sources.packaged_rows()
        texts = sources.Texts(rows, random.randrange(2**31))
        with gnomon.Client(scorer=host) as client:
            texts.measure(client, options.metric)
        calls = sum(part.rate_per_s * (part.end_s - part.start_s) for part in self.parts)
        number = min(_MOST_REQUESTS, math.ceil(calls * 1.1) + 1)
        instances, tokens = texts.mix(self.objective.input_tokens, number)
        made = score_requests(options.metric, instances, lane=self.objective.lane)
        self.requests = itertools.cycle(list(zip(made, tokens, strict=True)))

    def users(self, part: Phase) -> int:
        """Return as few users as can call at the part's rate though every call takes all its time."""
        return math.ceil(part.rate_per_s * self.objective.deadline_s)

    def pace_s(self, part: Phase) -> float:
        """Return the time from one call of a user to the next."""
        return self.users(part) / part.rate_per_s

    def settling_s(self, part: Phase) -> float:
        """Return for how long users come or go, at random moments, when a part begins."""
        return self.users(part) / _USERS_PER_S + self.pace_s(part) + 0.5

    def part(self, second: float) -> Phase | None:
        return next((one for one in self.parts if second < one.end_s), None)


load = Load()


@events.init_command_line_parser.add_listener
def _(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("Gnomon")
    group.add_argument("--objective", env_var="GNOMON_OBJECTIVE", default="", help="a TOML file")
    group.add_argument("--metric", env_var="GNOMON_METRIC", default="", help="such as toxicity, toxicity@3")
    group.add_argument("--texts", env_var="GNOMON_TEXTS", default="", help="as of loadtests.open_loop")
    group.add_argument("--seconds", type=float, default=60.0, help="a third each: average, peak, average")


@events.init.add_listener
def _(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if not (options.objective and options.metric and environment.host):
        log.error("Give --host, --metric and --objective.")
        raise SystemExit(2)
    try:
        load.prepare(options, environment.host)
    except GnomonError as error:
        log.error("%s", error.message)
        raise SystemExit(2) from error


class Profile(LoadTestShape):
    """Average, peak, average."""

    def tick(self) -> tuple[int, float] | None:
        part = load.part(self.get_run_time())
        return None if part is None else (load.users(part), _USERS_PER_S)


class Application(User):
    """One of many callers, with a connection of its own."""

    def on_start(self) -> None:
        security = security_of()
        self._metadata = (*security.metadata, (CALLER_HEADER, "loadtest"))
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self._channel = security.channel(grpc, self.host or "", options)
        self._score = self._channel.unary_unary(SCORE)
        offset_s = random.random() * self._pace_s()  # or all users would call at once
        self._due = time.monotonic() + offset_s
        gevent.sleep(offset_s)

    def on_stop(self) -> None:
        self._channel.close()

    def _pace_s(self) -> float:
        part = load.part(time.time() - self.environment.stats.start_time)
        return load.pace_s(part or load.parts[-1])

    def wait_time(self) -> float:
        self._due += self._pace_s()
        return max(0.0, self._due - time.monotonic())

    @task
    def score(self) -> None:
        request, tokens = next(load.requests)
        began = time.perf_counter()
        try:
            response = self._score(request, timeout=load.objective.deadline_s, metadata=self._metadata)
        except grpc.RpcError as error:
            code = error.code().name
            self._tell("refused" if code == REFUSED else "failed", code, began, error=error)
            return
        answer = read_answer(response)
        if answer.code != "OK":
            self._tell("failed", answer.code, began, error=RuntimeError(answer.code))
            return
        self._tell("grpc", bucket(answer.token_count), began, len(response))
        self._fire("tokens", "asked", tokens)
        self._fire("tokens", "read", answer.token_count)
        for step in ("tokenization", "queue", "inference"):
            self._fire("step", step, getattr(answer, f"{step}_ms"))

    def _tell(
        self, kind: str, name: str, began: float, length: int = 0, error: Exception | None = None
    ) -> None:
        self._fire(kind, name, (time.perf_counter() - began) * 1e3, length, error)

    def _fire(self, kind: str, name: str, ms: float, length: int = 0, error: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=ms,
            response_length=length,
            exception=error,
            context={},
        )


def measured(environment: Environment) -> Measured:
    """Sum up locust's statistics. Its percentiles have two digits above 100 ms."""
    stats = environment.stats
    answered = StatsEntry(stats, "answered", "grpc")
    unanswered = 0
    for entry in stats.entries.values():
        if entry.method == "grpc":
            answered.extend(entry)
        elif entry.method in {"refused", "failed"}:
            unanswered += entry.num_requests
    asked, read = (stats.get(name, "tokens").avg_response_time for name in ("asked", "read"))
    total = answered.num_requests + unanswered
    return Measured(
        average_qps=_rate(answered, stats.start_time, "average"),
        peak_qps=_rate(answered, stats.start_time, "peak"),
        p95_ms=answered.get_response_time_percentile(0.95) if answered.num_requests else None,
        p99_ms=answered.get_response_time_percentile(0.99) if answered.num_requests else None,
        error_share=unanswered / total if total else 1.0,
        tokens_off=percent_off([(asked, read)]),
    )


def _rate(answered: StatsEntry, started: float, phase: str) -> float:
    """Return the answers a second of a phase, without its first moments, in which users come or go."""
    seconds = [
        second
        for part in load.parts
        if part.name == phase
        for second in range(
            math.ceil(started + part.start_s + load.settling_s(part)), math.floor(started + part.end_s)
        )
    ]
    return sum(answered.num_reqs_per_sec.get(one, 0) for one in seconds) / len(seconds)


@events.quitting.add_listener
def _(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return  # the master judges
    findings = judge(load.objective, measured(environment), _RATE_SLACK)
    for one in findings:
        log.log(logging.INFO if one.is_met else logging.ERROR, "%s", one)
    environment.process_exit_code = 0 if all(one.is_met for one in findings) else 1
