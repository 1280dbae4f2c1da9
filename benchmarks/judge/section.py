"""The section of benchmarks/RESULTS.md, made of the results file alone."""

from pathlib import Path
from typing import Any

from benchmarks.quality import section

_HEAD = "| | seconds of the clock | over the ideal | processor, ms a label | labels | connections |"


def write(content: dict[str, Any], file: Path = section.FILE) -> None:
    section.put("judge", rendered(content), file, by="benchmarks/judge")


def rendered(content: dict[str, Any]) -> str:
    about, ideal_s = content["origin"], content["ideal_s"]
    lines = [
        "## A judge beside what its endpoint takes",
        "",
        f"`{about['date']}`, commit `{about['commit']}`, {about['machine']}, `python -m benchmarks.judge`. "
        f"A scripted endpoint answers after {content['delay_s']:g} s, in 20 KB with log-probabilities; "
        f"{content['labels']:,} labels, {content['concurrency']} at once: the ideal is {ideal_s:.1f} s. "
        f"The best of {content['repetitions']} turns by the clock, as other work ran beside; load averages "
        f"{_loads(content)}. Processor: of the process that asks, which is the trainer but by hand.",
        "",
        _HEAD,
        "|---|---|---|---|---|---|",
    ]
    for name, turns in content["ways"].items():
        best = min(turns, key=lambda turn: turn["seconds"])
        lines.append(
            f"| {name} | {best['seconds']:.1f} | {best['seconds'] / ideal_s - 1:+.1%} "
            f"| {min(turn['processor_s'] for turn in turns) / content['labels'] * 1e3:.1f} "
            f"| {best['labels']:,} | {best['endpoint']['connections'] - 1} |"
        )
    return "\n".join([*lines, ""])


def _loads(content: dict[str, Any]) -> str:
    loads = [turn["others_load"] for turns in content["ways"].values() for turn in turns]
    return f"{min(loads):.1f} to {max(loads):.1f}"
