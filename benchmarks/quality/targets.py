"""What the recipes shall reach, beside what they reached. Nothing here is a figure that was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.quality.methods import BASELINES
from benchmarks.quality.plan import FEW_SHOT_SETS, LARGER_SETS, SHOTS
from benchmarks.quality.sets import SETS

_SAME_BASE = "gnomon_small"
_ENOUGH_FOR_ECE = 1_000  # test rows


@dataclass(frozen=True, slots=True)
class Target:
    what: str
    wanted: str
    found: str
    met: bool | None  # None: not measured

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


def targets(content: dict[str, Any]) -> list[Target]:
    return [
        *_quality(content),
        *_summedits(content),
        *_few_shot(content),
        *_speed(content),
        *_calibration(content),
    ]


def against_best_baseline(content: dict[str, Any], name: str, own: str) -> tuple[str, dict[str, Any]] | None:
    """Return the baseline with the best mean on a set, and how one's own method differs from it.

    None unless all four baselines and the method were measured: the best might be missing.
    """
    entries = {method: content[name][method] for method in BASELINES}
    differences = content["comparisons"][name].get(own, {})
    if not all(entries.values()) or set(differences) < set(BASELINES):
        return None
    best = max(BASELINES, key=lambda method: entries[method]["mean"])
    return best, differences[best]


def _quality(content: dict[str, Any]) -> Iterator[Target]:
    found = {name: against_best_baseline(content, name, _SAME_BASE) for name in SETS}
    what = f"`{_SAME_BASE}` against the best of the four baselines"
    known = [one[1]["verdict"] for one in found.values() if one]
    counted = f"{known.count('better')} better, {known.count('even')} even, {known.count('worse')} worse"
    text = f"{counted}, {len(found) - len(known)} not measured" if len(known) < len(found) else counted
    is_whole = len(known) == len(found)
    better = known.count("better") >= 4
    yield Target(
        f"{what}: better", "on at least 4 of 5 sets", text, better or (None if not is_whole else False)
    )
    worse = "worse" in known
    yield Target(f"{what}: worse", "on none", text, False if worse else (True if is_whole else None))


def _summedits(content: dict[str, Any]) -> Iterator[Target]:
    entries = {m: entry for m, entry in content["summedits"].items() if m not in BASELINES and entry}
    best = max(entries, key=lambda m: entries[m]["mean"], default=None)
    value = entries[best]["mean"] if best else None
    text = "–" if value is None else f"{value:.3f} (`{best}`)"
    for wanted in (0.60, 0.65):
        yield Target(
            "`summedits`, AUROC", f"≥ {wanted:.2f}", text, None if value is None else value >= wanted
        )
    seconds = entries[best]["seconds_whole"] if best else None
    shown = "–" if seconds is None else f"{seconds / 60:.0f} min by the clock"
    met = None if seconds is None else seconds < 3_600
    yield Target("`summedits`, time of a whole run", "under 60 min", shown, met)


def _few_shot(content: dict[str, Any]) -> Iterator[Target]:
    for name in FEW_SHOT_SETS:
        for shots in SHOTS:
            found = content["few_shot"][name][str(shots)]
            setfit = found["methods"].get("setfit")
            own = next((m for m in ("gnomon_few", _SAME_BASE) if m in found["methods"]), None)
            what = f"`{name}`, {shots} rows a class, `{own or _SAME_BASE}`"
            if setfit is None or own is None:
                yield Target(f"{what}: accuracy", "≥ SetFit's", "–", None)
                yield Target(f"{what}: training time", "≤ ⅓ of SetFit's", "–", None)
                continue
            entry, difference = found["methods"][own], found["comparisons"].get(own, {}).get("setfit")
            text = f"{entry['mean']:.3f} / {setfit['mean']:.3f}"
            met = None if difference is None else difference["value"] >= 0  # of the seeds that both have
            yield Target(f"{what}: accuracy", "≥ SetFit's", text, met)
            text = (
                f"{entry['processor_seconds']:.0f} s / {setfit['processor_seconds']:.0f} s of processors, "
                f"{entry['seconds']:.0f} s / {setfit['seconds']:.0f} s"
            )
            met = entry["processor_seconds"] <= setfit["processor_seconds"] / 3
            yield Target(f"{what}: training time", "≤ ⅓ of SetFit's", text, met)


def _speed(content: dict[str, Any]) -> Iterator[Target]:
    for name in LARGER_SETS:
        own, plain = content[name][_SAME_BASE], content[name]["plain"]
        what = f"`{name}`, training rows a second of a processor, `{_SAME_BASE}` / ten-line fine-tune"
        rates = [entry and entry["rows_per_processor_s"] for entry in (own, plain)]
        if not all(rates):
            yield Target(what, "≥ 2, no worse", "–", None)
            continue
        ratio, clock = rates[0] / rates[1], own["rows_per_s"] / plain["rows_per_s"]
        verdict = content["comparisons"][name].get(_SAME_BASE, {}).get("plain", {}).get("verdict")
        met = None if verdict is None else ratio >= 2 and verdict != "worse"
        text = f"{ratio:.2f} ({clock:.2f} by the clock), {verdict or 'not compared'}"
        yield Target(what, "≥ 2, no worse", text, met)


def _calibration(content: dict[str, Any]) -> Iterator[Target]:
    for name in SETS:
        if 0 < content["sets"][name].get("test_rows", 0) < _ENOUGH_FOR_ECE:
            continue
        for own in (_SAME_BASE, "gnomon_auto"):
            entry = content[name].get(own)
            if own in content["absent"]:
                continue
            if not entry and name not in ("banking77", "davidson_hate", "summedits"):
                continue
            found = None if not entry else entry["ece"]
            text = "–" if found is None else f"{found:.3f}"
            yield Target(
                f"`{name}`, ECE of `{own}`", "≤ 0.03", text, None if found is None else found <= 0.03
            )
