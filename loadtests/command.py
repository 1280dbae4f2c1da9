"""`python -m loadtests.open_loop`: load a scorer as a service objective says, and judge it.

Exit status: 0 met, 1 missed, 2 wrong usage or nothing proven (the generator itself was late).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import gnomon
from gnomon.errors import GnomonError
from loadtests import objective as objectives
from loadtests import texts as sources
from loadtests.open_loop import quantile, score_requests
from loadtests.processes import Called, Plan, run_in_processes
from loadtests.report import Report
from loadtests.verdict import judge, measure, percent_off, phases, profile

STATUS = {"met": 0, "missed": 1, "invalid": 2}


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m loadtests.open_loop", description=__doc__)
    parser.add_argument("--target", default="127.0.0.1:7412", help="the scorer: host:port")
    parser.add_argument("--metric", required=True, help="such as toxicity, toxicity@3")
    parser.add_argument("--objective", required=True, type=Path, help="a TOML file")
    parser.add_argument("--seconds", type=float, default=60.0, help="a third each: average, peak, average")
    parser.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="that send")
    parser.add_argument("--texts", type=Path, help="JSONL or one text a line; else the packaged examples")
    parser.add_argument("--caller", default="loadtest", help="header x-gnomon-caller")
    parser.add_argument("--report", type=Path, default=Path("loadtest.html"), help="JSON goes beside it")
    parser.add_argument(
        "--lag-ms",
        type=float,
        help="invalid if the generator's p99 lag is above; 10 %% of the p95 asked, at least 5, if not given",
    )
    arguments = parser.parse_args(given)
    for name in ("seconds", "processes"):
        if getattr(arguments, name) <= 0:
            parser.error(f"--{name} must be above 0")
    return arguments


def load(arguments: argparse.Namespace) -> Report:
    """Run the load.

    Raises:
        GnomonError: the objective, the texts or the metric are not usable, or nobody answers.
    """
    objective = objectives.load(arguments.objective)
    rows = sources.packaged_rows() if arguments.texts is None else sources.read_rows(arguments.texts)
    texts = sources.Texts(rows, arguments.seed)
    parts = phases(objective, arguments.seconds)
    times = profile(parts, arguments.seed, arguments.arrivals)
    with gnomon.Client(scorer=arguments.target) as client:
        texts.measure(client, arguments.metric)
    instances, tokens = texts.mix(objective.input_tokens, len(times))
    requests = score_requests(arguments.metric, instances, lane=objective.lane)
    plan = Plan(
        arguments.target, requests, times, objective.lane, objective.deadline_s, caller=arguments.caller
    )
    calls = run_in_processes(plan, arguments.processes)
    lengths = [
        (asked, one.answer.token_count)
        for asked, one in zip(tokens, calls, strict=True)
        if one.answer and one.answer.code == "OK"
    ]
    findings = judge(objective, measure([one.sample for one in calls], parts, percent_off(lengths)))
    bound_ms = arguments.lag_ms or max(5.0, 0.1 * objective.p95_latency_ms)
    invalid = late(calls, bound_ms)
    return Report(arguments.target, arguments.metric, objective, findings, calls, invalid)


def late(calls: Sequence[Called], bound_ms: float) -> str | None:
    """Say so if the generator was too late for its result to count, or sent nothing."""
    lag_ms = quantile((one.sample.lag_ms for one in calls), 0.99)
    if lag_ms is None:
        return "Nothing was sent: the load is too short for its rates."
    if lag_ms > bound_ms:
        return (
            f"The generator sent late: p99 {lag_ms:.1f} ms, bound {bound_ms:.1f} ms. "
            "Give it more --processes, or a machine of its own."
        )
    return None


def main(given: Sequence[str] | None = None) -> int:
    arguments = _arguments(given)
    try:
        report = load(arguments)
    except GnomonError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        return 2
    beside = report.write(arguments.report)
    for finding in report.findings:
        print(finding)
    print(f"{report.objective.name}: {report.verdict}. {report.invalid or ''}".rstrip())
    print(f"Report: {arguments.report}, {beside}")
    return STATUS[report.verdict]
