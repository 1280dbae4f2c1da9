"""The section of benchmarks/RESULTS.md, made of the results file alone."""

from pathlib import Path
from typing import Any

from benchmarks.scorer.targets import is_failed, targets

FILE = Path(__file__).parent.parent / "RESULTS.md"
_BEGIN, _END = "<!-- scorer: made by benchmarks/scorer, do not edit -->", "<!-- /scorer -->"


def write(content: dict[str, Any], file: Path = FILE) -> None:
    """Put the section in the place of the one that is there, or at the end."""
    text = file.read_text(encoding="utf-8")
    before, found, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2] if found else "\n"
    if not found:
        before = text.rstrip("\n") + "\n\n"
    file.write_text(f"{before}{_BEGIN}\n{rendered(content)}{_END}{after}", encoding="utf-8")


def rendered(content: dict[str, Any]) -> str:
    parts = [
        "## The scorer beside its raw limit and its peers\n",
        _origin(content),
        _how(content),
        table(content),
        _formats(content),
        _targets(content),
        _profile(content),
        _failures(content),
    ]
    return "\n".join(part for part in parts if part)


def _origin(content: dict[str, Any]) -> str:
    origins = [step["origin"] for step in content["details"].values()]
    if not origins:
        return "Nothing was measured.\n"
    parts = []
    for key in ("date", "commit", "machine", "command"):
        values = sorted({str(one[key]) for one in origins})
        parts.append(f"`{values[0]}`" if len(values) == 1 else f"`{values[0]}` … `{values[-1]}`")
    quick = " **A quick try, not a measurement.**" if any(one["quick"] for one in origins) else ""
    return f"Date {parts[0]}, commit {parts[1]}, {parts[2]}, {parts[3]}.{quick}\n"


def _how(content: dict[str, Any]) -> str:
    found = content["details"].get("throughput", {})
    if "texts" not in found:
        return ""
    texts, peers = found["texts"], found["texts_of_peers"]
    mean, median, mean_of_peers = (
        f"{value:.0f}" for value in (texts["mean_tokens"], texts["median_tokens"], peers["mean_tokens"])
    )
    source = f" of {texts['from']}" if "from" in texts else ""
    return f"""\
{texts["count"]} distinct texts{source}: 70 % short, 20 % long prompts, 10 % pairs of an output and its
documents, joined to one text since the peers read no pairs; cut at 512 tokens: mean {mean}, median {median}.
The raw limit is in-process, tokens ready, sorted by length, in the best of eight batch shapes. The response
cache is off. Peers read {peers["count"]} texts of the same lengths (mean {mean_of_peers}); they serve the
encoder of the same evaluator with BERT's own kind of head: the same cost, other labels, which are not
compared. Sides take turns in one run; figures are medians of its rounds.
"""


_UNITS = {
    "raw_best": "sequences/s",
    "raw_onnx_fp32": "sequences/s",
    "served_batch64": "sequences/s",
    "served_single64": "sequences/s",
    "infinity_single64": "sequences/s",
    "pipeline_single64": "sequences/s",
    "served_added_p50": "ms",
    "p99_at_20": "ms",
    "infinity_p99_at_20": "ms",
    "overload_goodput": "of the peak",
    "macro_f1_drop": "",
    "format": "",
}


def table(content: dict[str, Any]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    for name, unit in _UNITS.items():
        value = content[name]
        text = value if isinstance(value, str) else "–" if value is None else f"{value:.4g} {unit}".strip()
        lines.append(f"| `{name}` | {text} |")
    return "\n".join(lines) + "\n"


def _targets(content: dict[str, Any]) -> str:
    lines = ["| target | wanted | found | |", "|---|---|---|---|"]
    lines += [f"| {one.what} | {one.wanted} | {one.found} | {one.verdict} |" for one in targets(content)]
    return "\n".join(lines) + "\n"


def _formats(content: dict[str, Any]) -> str:
    found = content["details"].get("throughput", {})
    if "quality" not in found:
        return ""
    lines = [
        "| format | raw limit, sequences/s | macro-F1 on the test rows | labels changed of the mixed texts |",
        "|---|---|---|---|",
    ]
    for name, one in found["quality"].items():
        rate = found["raw_sequences_per_second"][name]
        changed = f"{one['labels_changed_of_mixed']} of {one['mixed']}"
        lines.append(f"| `{name}` | {rate:.4g} | {one['macro_f1']:.4f} | {changed} |")
    return "\n".join(lines) + "\n"


def _profile(content: dict[str, Any]) -> str:
    found = content["details"].get("throughput", {}).get("cpu_ms_a_text")
    if not found:
        return ""
    lines = [
        "Where the time goes, in processor milliseconds a text:",
        "",
        "| | evaluator lanes | event loop | other threads of the scorer | caller | wall |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        cells = (row.get(part) for part in ("lanes", "event_loop", "other_threads", "caller", "wall"))
        lines.append(f"| {name} | " + " | ".join("" if c is None else f"{c:.3g}" for c in cells) + " |")
    note = "What wall × cores has beyond the sum of its row is waiting: for a batch, or for the interpreter."
    return "\n".join([*lines, "", note]) + "\n"


def _failures(content: dict[str, Any]) -> str:
    steps = content["details"].items()
    lines = [f"- The step `{name}` failed: {_line(one['failed'])}" for name, one in steps if is_failed(one)]
    for name, why in content["details"].get("throughput", {}).get("peers_failed", {}).items():
        lines.append(f"- `{name}` was not measured: {_line(why)}")
    return "".join(f"{line}\n" for line in lines)


def _line(text: str) -> str:
    return text.strip().splitlines()[0]
