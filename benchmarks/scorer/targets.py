"""What the scorer shall reach, beside what it reached."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.scorer.steps.invariance import FP32_BAND

_NO_LIMIT = "no limit"


@dataclass(frozen=True, slots=True)
class Target:
    what: str
    wanted: str
    found: str
    met: bool | None  # None: not measured

    @property
    def verdict(self) -> str:
        if self.wanted == _NO_LIMIT and self.found != "–":
            return ""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


def at_least(what: str, limit: float, value: float | None, unit: str = "") -> Target:
    return Target(what, f"≥ {limit:g}{unit}", _text(value, unit), None if value is None else value >= limit)


def at_most(what: str, limit: float, value: float | None, unit: str = "") -> Target:
    return Target(what, f"≤ {limit:g}{unit}", _text(value, unit), None if value is None else value <= limit)


def _text(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.3g}{unit}"


def targets(content: dict[str, Any]) -> list[Target]:
    details = {name: step for name, step in content["details"].items() if not is_failed(step)}
    return [
        *_throughput(content, details.get("throughput")),
        *_latency(details.get("latency")),
        *_overload(content, details.get("overload")),
        *_bulk(details.get("bulk")),
        *_invariance(details.get("invariance")),
        *_lives(details),
        *_soak(details.get("soak")),
    ]


def _throughput(content: dict[str, Any], found: dict[str, Any] | None) -> Iterator[Target]:
    """The ratios are medians of those of each round."""
    ratios = (found or {}).get("ratios", {})
    for what, limit, name in (
        ("64-instance requests / raw limit", 0.90, "served_batch64 / raw"),
        ("ScoreStream / raw limit", 0.90, "served_stream / raw"),
        ("single requests, 64 callers / raw limit", 0.75, "served_single64 / raw"),
        ("64-instance requests / raw ONNX Runtime fp32", 1.6, "served_batch64 / raw_onnx_fp32"),
        ("64 callers / infinity", 10, "served_single64 / infinity"),
        ("64 callers / pipeline server", 5, "served_single64 / pipeline"),
    ):
        yield at_least(what, limit, ratios.get(name))
    drop = content["macro_f1_drop"]
    yield at_most("macro-F1 lost by the format", 0.5, None if drop is None else 100 * drop, " points")
    yield at_most("added to a single call, p50", 1.5, content["served_added_p50"], " ms")


def _latency(found: dict[str, Any] | None) -> Iterator[Target]:
    servers = dict((found or {}).get("by_server", {}))
    own = servers.pop("gnomon", None)
    for rate in ("20", "40", "80"):
        for key in ("p50_ms", "p99_ms"):
            what, wanted = f"{key[:3]} at {rate} calls/s", "below either peer"
            if own is None or len(servers) < 2:
                yield Target(what, wanted, "–", None)
                continue
            peers = ", ".join(f"{name} {one[rate][key]:.3g}" for name, one in servers.items())
            is_met = all(own[rate][key] < one[rate][key] for one in servers.values()) and own[rate]["kept_up"]
            yield Target(what, wanted, f"{own[rate][key]:.3g} ms; {peers}", is_met)


def _overload(content: dict[str, Any], found: dict[str, Any] | None) -> Iterator[Target]:
    yield at_least("goodput at 3 × capacity / peak", 0.85, content["overload_goodput"])
    found = found or {}
    yield at_least("the same in tokens: short texts are refused less", 0.85, found.get("goodput_in_tokens"))
    yield _late(found)
    cut = found.get("ran_out_of_time_share")
    text = "–" if cut is None else f"{found['ran_out_of_time']}, {cut:.1%} of those admitted"
    yield Target("admitted and not answered in time", _NO_LIMIT, text, None)
    yield at_most("refusals, p99", 20, (found.get("refused") or {}).get("p99_ms"), " ms")
    calm = found.get("calm_again_after_s")
    is_lost = bool(found) and calm is None
    yield (
        Target("p99 normal again", "≤ 5 s", "never", False)
        if is_lost
        else at_most("p99 normal again", 5, calm, " s")
    )
    yield at_most("memory growth", 50, found.get("memory_growth_mib"), " MB")


def _late(found: dict[str, Any]) -> Target:
    """By the caller's clock from sending, who may itself be late to look; its deadline cuts the call off."""
    late = found.get("answers_after_their_deadline")
    text = "–" if late is None else f"{late}; latest {found['answered']['max_ms']:.0f} ms"
    what = "answers after their deadline of 300 ms, at which the caller hangs up"
    return Target(what, "0", text, None if late is None else late == 0)


def _bulk(found: dict[str, Any] | None) -> Iterator[Target]:
    found = found or {}
    yield at_most("guardrail p99 beside bulk / idle", 2, found.get("guardrail_p99_ratio"))
    yield at_most("guardrail calls failed", 0, found.get("guardrail_failed"))
    yield at_least("bulk rate beside 20 % guardrail load / solo", 0.7, found.get("bulk_kept"))


def _invariance(found: dict[str, Any] | None) -> Iterator[Target]:
    for name, one in (found or {}).items():
        if name == "origin":
            continue
        if "failed" in one:
            yield Target(f"batch invariance, {name}", "–", one["failed"], None)
            continue
        yield at_most(f"batch invariance, {name}", one["allowed"], one["largest_probability_change"])
        if one["allowed"] > FP32_BAND:
            outside = one["labels_changed_outside_the_band"]
            yield at_most(f"labels changed outside the band, {name}", 0, outside)


def _lives(details: dict[str, Any]) -> Iterator[Target]:
    cancelling, swaps, rolling = (details.get(name, {}) for name in ("cancelling", "swaps", "rolling"))
    yield at_most("neighbours of cancelled calls that failed", 0, cancelling.get("neighbours_failed"))
    rest = (cancelling.get("backlog") or {}).get("lanes_busy_after_the_last_was_cancelled_s")
    yield at_most("work after all was cancelled", 0.5, rest, " s")
    yield at_most("failed calls, version swaps", 0, _failed(swaps))
    change = swaps.get("memory_change")
    yield at_most("memory gained by the swaps", 5, None if change is None else 100 * change, " %")
    yield at_most("failed calls, rolling restart", 0, _failed(rolling))


def is_failed(step: dict[str, Any]) -> bool:
    """Tell a step that failed from one that counts failed calls."""
    return isinstance(step.get("failed"), str)


def _failed(found: dict[str, Any]) -> float | None:
    return sum(found["failed"].values()) if "failed" in found else None


def _soak(found: dict[str, Any] | None) -> Iterator[Target]:
    found = found or {}
    codes = found.get("codes")
    failed = None if codes is None else sum(n for code, n in codes.items() if code != "OK")
    yield at_most("failed calls of the soak", 0, failed)
    yield _to_the_end(found)
    yield at_most("memory slope of the soak", 1, found.get("memory_mib_per_minute"), " MB/min")
    for kind in ("files", "threads"):
        yield at_most(f"{kind} gained in the soak", 2, _gained(found, kind))


def _to_the_end(found: dict[str, Any]) -> Target:
    """The soak itself stops the job when its time is over."""
    if "bulk_ended" not in found:
        return Target("bulk job of the soak", "ran to the end", "–", None)
    ended, errors = found["bulk_ended"], sum(found["bulk_errors"].values())
    is_met = ended in ("OK", "STOPPED") and not errors and found["bulk_rows"] > 0
    text = f"{ended}, {found['bulk_rows']} rows, {errors} errors"
    return Target("bulk job of the soak", "ran to the end", text, is_met)


def _gained(found: dict[str, Any], kind: str) -> float | None:
    """Return what the trend adds in the whole soak; a call more or less is no trend."""
    return found[f"{kind}_per_minute"] * found["minutes"] if found else None
