"""What a load came to: as one JSON object, and as one page that needs nothing else."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from loadtests import chart
from loadtests.mix import bucket
from loadtests.objective import Objective
from loadtests.open_loop import REFUSED, quantile, summary
from loadtests.processes import Called
from loadtests.verdict import Finding

_STEPS = ("tokenization", "queue", "inference")
_SHARES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c1f24; --quiet: #667; --line: #dde; }
@media (prefers-color-scheme: dark) {
  :root { --back: #15181c; --text: #e6e8eb; --quiet: #9aa3ad; --line: #2c3238; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em;
  background: var(--back); color: var(--text); }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin: 0 0 .3em; } small { color: var(--quiet); }
figure { margin: 2em 0; } table { border-collapse: collapse; margin: 1em 0 2em; }
th, td { text-align: right; padding: .25em .9em .25em 0; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
.met { color: #2e8b57; } .missed { color: #d23f4b; font-weight: 600; }
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A load's outcome. `invalid` says why it proves nothing, if so."""

    target: str
    metric: str
    objective: Objective
    findings: Sequence[Finding]
    calls: Sequence[Called]
    invalid: str | None

    @property
    def verdict(self) -> str:
        if self.invalid:
            return "invalid"
        return "met" if all(one.is_met for one in self.findings) else "missed"

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "invalid": self.invalid,
            "target": self.target,
            "metric": self.metric,
            "objective": asdict(self.objective) | {"input_tokens": str(self.objective.input_tokens)},
            "findings": [asdict(one) | {"is_met": one.is_met} for one in self.findings],
            "summary": summary([one.sample for one in self.calls]),
            "tokens": _of(one.answer.token_count for one in self.calls if one.answer),
            "steps": {step: _of(_times(self.calls, step)) for step in _STEPS},
            "by_input_length": _by_length(self.calls),
            "seconds": _seconds(self.calls),
        }

    def write(self, page: Path) -> Path:
        """Write the page, and the JSON beside it; return the latter's path."""
        content = self.as_json()
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(self, content), encoding="utf-8")
        beside = page.with_suffix(".json")
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return beside


def _times(calls: Iterable[Called], step: str) -> Iterable[float]:
    return (getattr(one.answer, f"{step}_ms") for one in calls if one.answer)


def _of(values: Iterable[float]) -> dict[str, float | None]:
    found = sorted(values)
    mean = sum(found) / len(found) if found else None
    return {"mean": mean} | {name.removesuffix("_ms"): quantile(found, at) for name, at in _SHARES.items()}


def _by_length(calls: Iterable[Called]) -> dict[str, dict[str, Any]]:
    latencies: dict[str, list[float]] = defaultdict(list)
    for one in sorted((c for c in calls if c.answer), key=lambda c: c.answer.token_count if c.answer else 0):
        if one.answer and one.sample.code == "OK":
            latencies[bucket(one.answer.token_count)].append(one.sample.latency_ms)
    return {name: {"count": len(found)} | _of(found) for name, found in latencies.items()}


def _seconds(calls: Sequence[Called]) -> dict[str, list[Any]]:
    """Return one value a second of the load. A call belongs to the second in which it was meant to leave."""
    by_second: dict[int, list[Called]] = defaultdict(list)
    for one in calls:
        by_second[int(one.sample.intended_s)].append(one)
    each = [by_second.get(second, []) for second in range(max(by_second, default=-1) + 1)]

    def of(value: Callable[[list[Called]], Any]) -> list[Any]:
        return [value(of_second) for of_second in each]

    latencies = [[c.sample.latency_ms for c in calls_ if c.sample.code == "OK"] for calls_ in each]
    columns: dict[str, list[Any]] = {
        name: [quantile(found, share) for found in latencies] for name, share in _SHARES.items()
    }
    columns["sent"] = of(len)
    columns["answered"] = of(lambda one: sum(c.sample.code == "OK" for c in one))
    columns["refused"] = of(lambda one: sum(c.sample.code == REFUSED for c in one))
    columns["failed"] = of(lambda one: sum(c.sample.code not in {"OK", REFUSED} for c in one))
    for step in _STEPS:
        columns[f"{step}_p95_ms"] = [quantile(_times(one, step), 0.95) for one in each]
    return columns


def _page(report: Report, content: Mapping[str, Any]) -> str:
    seconds, objective = content["seconds"], report.objective
    title = f"{objective.name}: {report.verdict}"
    steps = {step: seconds[f"{step}_p95_ms"] for step in _STEPS}
    counts = {name: seconds[name] for name in ("sent", "answered", "refused", "failed")}
    latencies = {name.removesuffix("_ms"): seconds[name] for name in _SHARES}
    body = [
        f"<h1>Service objective {escape(title)}</h1>",
        f"<p>{escape(report.metric)} at {escape(report.target)}, lane {objective.lane}, "
        f"deadline {objective.deadline_ms:g} ms, input tokens {escape(str(objective.input_tokens))}.</p>",
        f'<p class="missed">{escape(report.invalid)}</p>' if report.invalid else "",
        _findings(report.findings),
        chart.chart("Latency from the intended time", "ms", latencies, objective.p95_latency_ms),
        chart.chart("Calls", "a second", counts),
        chart.chart("Where the time went, p95", "ms", steps),
        _table("Step, ms", content["steps"]),
        _table("Input length, ms", content["by_input_length"]),
        _table("Input, tokens", {"read by the evaluator": content["tokens"]}),
        _table("Outcome, calls", {code: {"count": n} for code, n in content["summary"]["codes"].items()}),
    ]
    style = f"<style>{_STYLE}{chart.STYLE}</style>"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f"<title>{escape(title)}</title>"
    return f'<!doctype html><html lang="en"><head>{head}{style}</head><body>{"".join(body)}</body></html>\n'


def _findings(findings: Iterable[Finding]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.demand)}</td><td>{'at most' if one.at_most else 'at least'} {_cell(one.limit)}"
        f"{escape(one.unit)}</td><td>{_cell(one.measured)}{escape(one.unit)}</td>"
        f'<td class="{"met" if one.is_met else "missed"}">{"met" if one.is_met else "missed"}</td></tr>'
        for one in findings
    )
    return f"<table><tr><th>Demand</th><th>Asked</th><th>Measured</th><th></th></tr>{rows}</table>"


def _table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    columns = next(iter(rows.values())).keys()
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{_cell(value)}</td>' for value in row.values())}</tr>"
        for name, row in rows.items()
    )
    return f"<table><tr><th>{escape(title)}</th>{head}</tr>{lines}</table>"


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
