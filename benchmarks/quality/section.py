"""The section of benchmarks/RESULTS.md, made of the results file alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.quality.methods import BASELINES, METHODS
from benchmarks.quality.plan import FULL_METHODS, SEEDS
from benchmarks.quality.sets import SETS
from benchmarks.quality.targets import against_best_baseline, targets

FILE = Path(__file__).parent.parent / "RESULTS.md"
FIGURES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "auroc": "AUROC"}

Content = dict[str, Any]


def write(content: Content, file: Path = FILE) -> None:
    """Put the section in the place of the one that is there, or at the end."""
    put("quality", rendered(content), file)


def put(name: str, text: str, file: Path = FILE, by: str = "benchmarks/quality") -> None:
    """Put a text, made `by` some benchmark, in the place of the one of that name, or at the end."""
    begin, end = f"<!-- {name}: made by {by}, do not edit -->", f"<!-- /{name} -->"
    whole = file.read_text(encoding="utf-8")
    before, found, rest = whole.partition(begin)
    after = rest.partition(end)[2] if found else "\n"
    if not found:
        before = whole.rstrip("\n") + "\n\n"
    file.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def rendered(content: Content) -> str:
    return "\n".join(text for part in PARTS if (text := part(content)))


def _title(_: Content) -> str:
    return "## The recipes beside cheap methods and peers\n"


def _origin(content: Content) -> str:
    origins = content["origins"]
    if not origins:
        return "Nothing was measured.\n"
    shown = []
    for name in ("date", "commit", "machine"):
        values = [value or "not recorded" for value in origins[name]]
        shown.append(f"`{values[0]}`" if len(values) == 1 else f"`{values[0]}` … `{values[-1]}`")
    quick = " **A quick try, not a measurement.**" if "True" in origins["quick"] else ""
    return f"Date {shown[0]}, commit {shown[1]}, {shown[2]}, `{content['command']}`.{quick}\n"


def _how(content: Content) -> str:
    names = ", ".join(f"`{name}`" for name in content["absent"])
    absent = f" The product has no recipe for {names} yet." if names else ""
    return f"""\
Means over the seeds, with 95 % intervals of a bootstrap over rows and seeds. `tfidf`: words and word pairs,
sublinear, + logistic regression. `frozen`: mean-pooled, normalised MiniLM-L6 embeddings + logistic
regression. `plain`: the ten-line fine-tune of MiniLM-L6 (5e-5, 3 epochs, batches of 16). `setfit`: SetFit on
the same base, 20 iterations as far as its time limit goes. `gnomon_…`: runs through the services by that
recipe; where that takes another recipe with a cell of its own, the training is the same and was not repeated.
Both regressions choose their strength by cross-validation. Networks read texts cut to the recipe's length;
the recipe alone reads on, in windows. Rows that the test rows have too, exactly or but for a word, are left
out of what all methods learn from, by the product's own rule.
ECE of the most probable class, in 15 bins.

What it took: seconds of processors (user and system, all threads, children included), then seconds of the
clock, which went on while other work ran beside; times and rates are judged by the former. First from texts
to a trained model; in brackets everything, with predictions and, of the product, services, checks, baselines,
export, gates and report.{absent}
"""


def _table(content: Content) -> str:
    lines = [
        "| set, figure | rows to learn from / left out / test | "
        + " | ".join(f"`{m}`" for m in FULL_METHODS)
        + " |",
        "|---|---|" + "---|" * len(FULL_METHODS),
    ]
    for name in SETS:
        about, entries = content["sets"][name], content[name]
        names = ("training_rows", "left_out_rows", "test_rows")
        rows = " / ".join(f"{about[one]:,}" for one in names) if "test_rows" in about else "–"
        cells = " | ".join(_cell(entries[method]) for method in FULL_METHODS)
        lines.append(f"| `{name}`, {FIGURES[about['figure']]} | {rows} | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "–"
    if entry["same_as"]:
        return f"as `{entry['same_as']}`: **{entry['mean']:.3f}**{_seeds(entry)}"
    low, high = entry["interval"]
    return (
        f"**{entry['mean']:.3f}** ({low:.3f}–{high:.3f}), ECE {entry['ece']:.3f}, {_took(entry)}"
        f"{_seeds(entry)}"
    )


def _took(entry: dict[str, Any]) -> str:
    return (
        f"{entry['processor_seconds']:.0f} s ({entry['processor_seconds_whole']:.0f} s) of processors, "
        f"{entry['seconds']:.0f} s ({entry['seconds_whole']:.0f} s)"
    )


def _seeds(entry: dict[str, Any]) -> str:
    """Say of which seeds a figure is, if not of all."""
    seeds = entry["seeds"]
    return "" if set(seeds) >= set(SEEDS) else f"; only seed {', '.join(map(str, seeds))}"


def _differences(content: Content) -> str:
    lines = []
    for name in SETS:
        for own in (m for m in METHODS if m not in BASELINES):
            if not (found := against_best_baseline(content, name, own)):
                continue
            best, one = found
            shown = f"{one['value']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
            lines.append(f"| `{name}` | `{own}` | `{best}` | {shown} | {one['verdict']} |")
    if not lines:
        return ""
    head = ["| set | | best baseline | difference, paired | |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines]) + "\n"


def _few_shot(content: Content) -> str:
    lines = []
    for name, by_shots in content["few_shot"].items():
        for shots, found in by_shots.items():
            for method, entry in found["methods"].items():
                lines.append(
                    f"| `{name}` | {shots} | `{method}` | {entry['mean']:.3f} "
                    f"({entry['interval'][0]:.3f}–{entry['interval'][1]:.3f}) "
                    f"| {_took(entry)}{_bounded(entry['notes'])}{_seeds(entry)} |"
                )
    if not lines:
        return ""
    head = ["| few-shot | rows a class | | accuracy | time |", "|---|---|---|---|---|"]
    return "\n".join([*head, *lines]) + "\n"


def _bounded(notes: dict[str, Any]) -> str:
    steps, usual = notes.get("steps"), notes.get("usual_steps")
    return f", {steps:,} of its usual {usual:,} steps" if steps and usual and steps < usual else ""


def _speed(content: Content) -> str:
    lines = []
    for name in SETS:
        measured = {m: e for m in FULL_METHODS if (e := content[name][m]) and not e["same_as"]}
        found = {m: e for m, e in measured.items() if e["rows_per_s"]}
        if found:
            shown = ", ".join(
                f"`{m}` {e['rows_per_processor_s']:.0f} ({e['rows_per_s']:.0f})" for m, e in found.items()
            )
            lines.append(f"- `{name}`: {shown}")
    note = (
        "Training rows a second of a processor, in brackets of the clock (the product's with its start and "
        "evaluations, SetFit's with its regression):"
    )
    return "\n".join([note, "", *lines]) + "\n" if lines else ""


def _targets(content: Content) -> str:
    lines = ["| target | wanted | found | |", "|---|---|---|---|"]
    lines += [f"| {one.what} | {one.wanted} | {one.found} | {one.verdict} |" for one in targets(content)]
    return "\n".join(lines) + "\n"


def _failures(content: Content) -> str:
    failed = content["failed"].items()
    return "".join(f"- {cell} failed: {(why.splitlines() or ['?'])[-1]}\n" for cell, why in failed)


# Each makes its part of the results, or nothing; a further one is a line here.
PARTS: tuple[Callable[[Content], str], ...] = (
    _title,
    _origin,
    _how,
    _table,
    _differences,
    _few_shot,
    _speed,
    _targets,
    _failures,
)
