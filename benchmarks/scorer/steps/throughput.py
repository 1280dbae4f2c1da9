"""Sequences a second: the raw limit of each runtime, the scorer, the peers; in turns: machines drift."""

import contextlib
from typing import Any

from benchmarks.scorer.bench import Bench, Outcome, median
from benchmarks.scorer.peering import PEERS, PeerEndedError
from benchmarks.scorer.quality import quality
from benchmarks.scorer.texts import spread
from google.protobuf import json_format

from gnomon.bundle import ONNX_FP32

_BATCH_CALLERS = 8
_CALLERS = 64
_TUNING_TEXTS = 512  # enough batches of every size, so that a last one matters to none
_SERVED = {"served_batch64": 64, "served_single64": 1}


def run(bench: Bench) -> Outcome:
    formats = list(dict.fromkeys([ONNX_FP32, bench.format, *bench.formats]))
    bench.peers()
    tuned = {name: _tune(bench, name) for name in formats}
    _warm(bench, formats)
    rounds = [_round(bench, number, formats) for number in range(1 if bench.quick else 3)]
    of_format = quality(bench, formats)
    rates, ratios = medians(rounds, "rates"), medians(rounds, "ratios")
    details: dict[str, Any] = {
        "ratios": ratios,
        "raw_sequences_per_second": {name: rates[_raw(name)] for name in formats},
        "raw_tuning": tuned,
        "served_stream": rates["served_stream"],
        "texts": _described(bench, list(range(len(bench.texts)))) | {"from": bench.texts_from},
        "texts_of_peers": _described(bench, _for_peers(bench)),
        "peers_failed": bench.peer_failures,
        "server": json_format.MessageToDict(bench.site.loaded()[bench.version]),
        "quality": of_format,
        "cpu_ms_a_text": _cpu(rounds),
        "rounds": rounds,
    }
    figures: dict[str, Any] = {
        name: rates.get(name) for name in (*_SERVED, *(f"{peer}_single64" for peer in PEERS))
    }
    figures |= {
        "raw_onnx_fp32": rates[_raw(ONNX_FP32)],
        "raw_best": rates[_raw(bench.format)],
        "format": bench.format,
        "macro_f1_drop": of_format[bench.format]["macro_f1_drop"],
    }
    return Outcome(figures, details)


def _raw(format_name: str) -> str:
    return f"raw {format_name}"


def _tune(bench: Bench, format_name: str) -> dict[str, Any]:
    """Choose the fastest batches, with a thread a call or as many as the server gives one."""
    found = {}
    count = min(len(bench.texts), 40 if bench.quick else _TUNING_TEXTS)
    for threads in sorted({1, bench.threads}):
        found[threads] = bench.raw(format_name, threads).ask("tune", count=count)
    best = max(found, key=lambda threads: float(found[threads]["rate"]))
    bench.use(format_name, best)
    return {"threads_of_a_call": best, **found[best], "other_threads": [found[t] for t in found if t != best]}


def _warm(bench: Bench, formats: list[str]) -> None:
    """Run everything once, so that all shapes are known to every side; and see that all read the same."""
    for name in formats:
        bench.raw(name).ask("throughput", seed=99)
    served = _served(bench, 64, passes=1)
    tokens = sum(bench.lengths())
    if served["tokens"] != tokens:
        raise RuntimeError(f"the scorer read {served['tokens']} tokens, the raw runtime {tokens}")
    _served(bench, 1, passes=1)
    _stream(bench)


def _round(bench: Bench, number: int, formats: list[str]) -> dict[str, Any]:
    """Measure all once; the chosen format's raw limit before and after each served pass."""

    def raw_best(seed: int) -> float:
        return float(bench.raw(bench.format).ask("throughput", seed=seed)["rate"])

    raw = {name: bench.raw(name).ask("throughput", seed=number) for name in formats}
    rates = {_raw(name): one["rate"] for name, one in raw.items()}
    best, ratios, served = [raw_best(number + 10)], {}, {}
    for name, size in _SERVED.items():
        served[name] = _served(bench, size, passes=1 if bench.quick else 2)
        best.append(raw_best(number + 20))
        rates[name] = served[name]["rate"]
        ratios[f"{name} / raw"] = rates[name] / median(best[-2:])
    rates["served_stream"] = _stream(bench)
    best.append(raw_best(number + 30))
    ratios["served_stream / raw"] = rates["served_stream"] / median(best[-2:])
    rates[_raw(bench.format)] = median(best)
    ratios["served_batch64 / raw_onnx_fp32"] = rates["served_batch64"] / rates[_raw(ONNX_FP32)]
    peers = _peers(bench)
    more_rates, more_ratios = beside_peers(rates["served_single64"], peers)
    rates |= more_rates
    ratios |= more_ratios
    raw_cpu_ms = 1e3 * raw[bench.format]["cpu_s"] / len(bench.texts)
    return {
        "rates": rates,
        "ratios": ratios,
        "raw_in_turn": best,
        "raw_cpu_ms_a_text": raw_cpu_ms,
        "served": served,
        "peers": peers,
    }


def beside_peers(
    served: float, peers: dict[str, dict[str, Any]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the peers' rates, and ours over theirs; of one that answered nothing there is neither."""
    alive = {name: float(answer["rate"]) for name, answer in peers.items() if answer["rate"]}
    rates = {f"{name}_single64": rate for name, rate in alive.items()}
    return rates, {f"served_single64 / {name}": served / rate for name, rate in alive.items()}


def medians(rounds: list[dict[str, Any]], kind: str) -> dict[str, float]:
    """Return the medians of what every round has: a peer that was lost on the way has no figure."""
    names = [name for name in rounds[0][kind] if all(name in one[kind] for one in rounds)]
    return {name: median(one[kind][name] for one in rounds) for name in names}


def _served(bench: Bench, size: int, passes: int) -> dict[str, Any]:
    watch = bench.cpu()
    answer: dict[str, Any] = bench.caller().ask(
        "closed",
        target=bench.target(),
        callers=_BATCH_CALLERS if size > 1 else _CALLERS,
        size=size,
        passes=passes,
        keep=True,
        limit_s=90,
    )
    cpu = watch.stop()
    del answer["latencies_ms"]
    failed = {code: n for code, n in answer["codes"].items() if code != "OK"} | answer["failed_instances"]
    if failed:
        raise RuntimeError(f"calls failed: {failed}")
    return answer | {"server_cpu": cpu}


def _stream(bench: Bench) -> float:
    rows = len(bench.texts) * (1 if bench.quick else 2)
    answer = bench.caller().ask("stream", target=bench.target(), rows=rows, seconds=90.0)
    if answer["code"] != "OK" or answer["errors"]:
        raise RuntimeError(f"the stream ended with {answer['code']}, {answer['errors']}")
    return float(rows / (answer["timeline"][-1][0] - answer["began"]))


def _for_peers(bench: Bench) -> list[int]:
    """Return fewer texts, of lengths spread like those of all; not in the order of length."""
    indices = spread(bench.lengths(), 32 if bench.quick else 256)
    return [indices[(7 * k) % len(indices)] for k in range(len(indices))]


def _peers(bench: Bench) -> dict[str, dict[str, Any]]:
    found = {}
    for name, peer in list(bench.peers().items()):
        with contextlib.suppress(PeerEndedError), peer.awake():
            answer = bench.caller().ask(
                "closed", target=peer.target, indices=_for_peers(bench), callers=_CALLERS, limit_s=60
            )
            found[name] = {key: answer[key] for key in ("rate", "texts", "seconds", "codes", "cpu_s")}
        if not peer.is_alive or not found[name]["rate"]:
            codes = found.pop(name, {}).get("codes", {})
            bench.lose(name, f"it {'answered nothing' if peer.is_alive else 'ended'}: {dict(codes)}")
    return found


def _described(bench: Bench, indices: list[int]) -> dict[str, float]:
    lengths = [bench.lengths()[index] for index in indices]
    return {
        "count": len(lengths),
        "mean_tokens": sum(lengths) / len(lengths),
        "median_tokens": median(lengths),
    }


def _cpu(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the processor ms a text, by who spent it; medians of the rounds."""
    table: dict[str, dict[str, float]] = {"raw": {"lanes": median(r["raw_cpu_ms_a_text"] for r in rounds)}}
    for name in _SERVED:
        served = [one["served"][name] for one in rounds]
        table[name] = {
            part: median(1e3 * one["server_cpu"][f"{part}_s"] / one["texts"] for one in served)
            for part in ("lanes", "event_loop", "other_threads")
        }
        table[name]["caller"] = median(1e3 * one["cpu_s"] / one["texts"] for one in served)
        table[name]["wall"] = median(1e3 * one["seconds"] / one["texts"] for one in served)
    return table
