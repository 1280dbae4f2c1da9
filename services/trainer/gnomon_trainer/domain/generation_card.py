"""The card of generated data: who wrote it, how, and what was measured of it. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from gnomon_trainer.domain.generation_prompt import Wanted, system_prompt
from gnomon_trainer.domain.generation_wishes import Reason, Wish, manner
from gnomon_trainer.domain.generations import GenerationProgress, GenerationSpec, Party, wanted
from gnomon_trainer.domain.paid_work import PaidWork

CAUSES = {
    "unusable": "not there, or not of the form that was asked for",
    "copies_seed": "the same as a seed, or nearly",
    "copies_test_row": "the same as a test row that evaluations are made on, or nearly",
    "repeats_row": "the same as another generated row, or nearly",
    "judged_otherwise": "of another class, says the judge",
    "not_judged": "the judge gave no label",
}

FIGURES = {
    "distinct_1": "Different words, share",
    "distinct_2": "Different pairs of words, share",
    "distinct_3": "Different triples of words, share",
    "words_p10": "Words of a row, 10th percentile",
    "words_p50": "Words of a row, median",
    "words_p90": "Words of a row, 90th percentile",
    "spread": "Mean cosine distance of two rows",
}


def data_card(
    work: PaidWork,
    spec: GenerationSpec,
    progress: GenerationProgress,
    result: Mapping[str, Any],
    now: float,
) -> str:
    """Return the card, in Markdown. Every figure is of this generation."""
    parts = [
        f"# Generated data for `{spec.metric.name}`",
        "A model wrote these rows after examples, and a judge confirmed their labels. No person labelled "
        "them: an evaluator that learns from them is to be measured on rows that people labelled.",
        _table(("", ""), _made(work, spec, result, now)),
        "## Rows",
        _rows(spec, progress, result),
        "## Items that were dropped",
        _dropped(progress),
        "## Diversity, and drift from the seeds",
        _diversity(result["diversity"]),
        "## What was asked",
        _prompt(spec, progress),
    ]
    return "\n\n".join(parts) + "\n"


def seeds_digest(spec: GenerationSpec) -> str:
    """Return the SHA-256 of which rows of which contents were seeds."""
    lines = (f"{seeds.digest} {number}\n" for seeds in spec.seeds for number in seeds.numbers)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _made(
    work: PaidWork, spec: GenerationSpec, result: Mapping[str, Any], now: float
) -> list[tuple[str, ...]]:
    seeds = ", ".join(f"{len(rows.numbers)} rows of `{rows.dataset}`" for rows in spec.seeds)
    return [
        ("Generation", f"`{work.name}`"),
        ("Dataset", f"`{result['dataset']}`, SHA-256 `{result['digest']}`"),
        ("Written by", _party(spec.generator)),
        ("Judged by", f"{_party(spec.judge)}, {spec.votes} vote{'s' * (spec.votes > 1)} a row"),
        ("Finished", datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Seeds", f"{seeds}; SHA-256 `{seeds_digest(spec)}`"),
        ("Tokens", f"{work.spent.input} input, {work.spent.output} output"),
    ]


def _party(party: Party) -> str:
    host = urlsplit(party.base_url).hostname or "?"
    return f"`{party.model}` at `{host}` (`{party.provider}`)"


def _rows(spec: GenerationSpec, progress: GenerationProgress, result: Mapping[str, Any]) -> str:
    rows = [
        (f"`{label}`", str(result["class_counts"].get(label, 0)), str(count))
        for label, count in wanted(spec, progress).items()
    ]
    said = [_table(("Class", "Rows", "Wanted"), rows)]
    said += [f"- {entry['message']}" for entry in result["findings"]]
    if progress.turned_down:
        said.append(f"{progress.turned_down} rows of {progress.attempt - 1} samples were turned down before.")
    return "\n\n".join(said)


def _dropped(progress: GenerationProgress) -> str:
    asked = sum(progress.asked.values())
    rows = [(why, str(progress.dropped.get(cause, 0))) for cause, why in CAUSES.items()]
    return f"{asked} items were asked for.\n\n" + _table(("Because it was", "Items"), rows)


def _diversity(found: Mapping[str, Any]) -> str:
    rows = [
        (FIGURES[entry["key"]], _number(entry["generated"]), _number(entry["seeds"]))
        for entry in found["figures"]
    ]
    drift = [
        ("AUROC of telling generated rows from seeds (0.5: not at all)", _number(found["auroc"])),
        ("Cosine distance of the two mean vectors", _number(found["mean_distance"])),
        ("The same of two halves of the seeds", _number(found["mean_distance_of_seeds"])),
        ("Items dropped as near copies, share", _number(found["near_duplicate_share"])),
    ]
    return (
        "Shares of different words are of equally many rows of both.\n\n"
        f"{_table(('Measure', 'Generated', 'Seeds'), rows)}\n\n{_table(('Drift', ''), drift)}"
    )


def _prompt(spec: GenerationSpec, progress: GenerationProgress) -> str:
    asked = manner(progress.wishes)
    label = next(iter(spec.shares))
    wanted = Wanted(
        label=label,
        count=asked.rows_per_call,
        examples=(),
        others=(),
        carrier=None,
        avoided=(),
        length="(how long, which varies)",
        tone="(in which tone, which varies)",
        manner=asked,
    )
    said = [f"The system prompt for rows of `{label}`:", _quoted(system_prompt(spec.judged, wanted, "…"))]
    if progress.wishes:
        said += ["What reviewers said of earlier samples:", "\n".join(map(_wish, progress.wishes))]
    return "\n\n".join(said)


def _wish(wish: Wish) -> str:
    words = _line(wish.words)
    if wish.reason is Reason.OTHER:
        return f"- {words}"
    reason = wish.reason.replace("_", " ")
    return f"- {reason}: {words}" if words else f"- {reason}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _line(text: str) -> str:
    return " ".join(text.split())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
