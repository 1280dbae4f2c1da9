"""The section of benchmarks/RESULTS.md, made of the results file alone."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.quality import section


def write(content: dict[str, Any], file: Path = section.FILE) -> None:
    section.put("faults", rendered(content), file, by="benchmarks/faults")


def rendered(content: dict[str, Any]) -> str:
    parts: dict[str, dict[str, Any]] = content["parts"]
    machine = next(iter(parts.values()))["origin"]["machine"]
    lines = [
        "## Processes that are killed, stopped and attacked",
        "",
        f"{machine}, `python -m benchmarks.faults`, SQLite, real processes. Other work ran beside, at the "
        "load that is given. A broken promise is a version lost or doubled, a manifest with a missing or "
        "altered file, other weights than those of an undisturbed training, an answer that no registry may "
        "give, a file opened elsewhere, an internal error, a process that died; amid an attack a call by "
        "somebody else that failed, or more than 500 MB that a process grew by. An attack with such calls "
        "counts once.",
        "",
        "| part | what was done | broken promises | commit, time | minutes | load |",
        "|---|---|---|---|---|---|",
    ]
    for name, told in _TOLD.items():
        if part := parts.get(name):
            origin = part["origin"]
            lines.append(
                f"| {name.replace('_', ' ')} | {told(part)} | {len(part['problems'])} "
                f"| `{origin['commit']}`, {origin['date']} | {part['took_s'] / 60:.1f} "
                f"| {part['others_load']:.0f} |"
            )
    if "hostile" in parts:
        lines += ["", *_hostile_table(parts["hostile"])]
    return "\n".join([*lines, ""])


def _killed(part: dict[str, Any]) -> str:
    kills = ", ".join(f"{count} of the {victim}" for victim, count in part["kills"].items())
    return (
        f"kill -9 at random moments, {kills}, and at {part['points']} named points, in {part['rounds']} "
        f"trainings; at most {part['most_steps_repeated']} of {part['steps']} steps were repeated; "
        f"{part['calls']:,} calls meanwhile, {part['calls_without_answer']:,} without an answer"
    )


def _many(part: dict[str, Any]) -> str:
    return (
        f"{part['runs']:,} short runs by 8 workers, of which {part['workers_stopped']} times one was stopped "
        "for two leases, "
        f"{part['clock_jumps']} jumps of clocks by an hour; {part['leases_expired']} leases expired, "
        f"{part['versions']:,} versions; {part['runs_a_minute']:.0f} runs a minute"
    )


_TOLD: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "kills": lambda part: f"short trainings: {_killed(part)}",
    "real_kills": lambda part: f"real trainings of MiniLM: {_killed(part)}",
    "migrations": lambda part: f"kill -9 before and after the first migration, {part['points']} points",
    "publishes": lambda part: (
        f"{part['publishes']} publications at once while the registry was killed {part['kills']} times; "
        f"{part['calls']:,} calls, {part['calls_without_answer']:,} without an answer"
    ),
    "same_request": lambda part: (
        f"{part['at_once']} calls at once with one request ID, for each of {', '.join(part['kinds'])}"
    ),
    "many_runs": _many,
    "hostile": lambda part: f"{len(next(iter(part['figures'].values())))} attacks on each service, see below",
    "fuzz": lambda part: "; ".join(
        f"{calls:,} hostile requests to the {part['rpcs'][name]} RPCs of the {name}"
        for name, calls in part["calls"].items()
    ),
}


def _hostile_table(part: dict[str, Any]) -> list[str]:
    lines = [
        "Milliseconds of a call by somebody else, before and during an attack at a lower priority from so "
        "many connections (200 times as many that are half open): median, 99th percentile; how many such "
        "calls failed.",
        "",
        "| service | attack | connections | before | during | p99, times | failed | grew, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for service, attacks in part["figures"].items():
        for kind, by_connections in attacks.items():
            for connections, found in by_connections.items():
                lines.append(
                    f"| {service} | {kind.replace('_', ' ')} | {connections} "
                    f"| {found['before_p50_ms']:.0f}, {found['before_p99_ms']:.0f} "
                    f"| {found['during_p50_ms']:.0f}, {found['during_p99_ms']:.0f} "
                    f"| {found['during_p99_ms'] / found['before_p99_ms']:.1f} | {found['failed']} "
                    f"| {found['grown_mb']:.0f} |"
                )
    return lines
