"""What a generation ends in: a dataset, and figures that say what it is worth."""

from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.errors import GnomonError
from gnomon.threads import in_thread
from gnomon_trainer.domain import diversity
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.datasets import DatasetDraft, DatasetStore, RowStore
from gnomon_trainer.domain.diversity import Drift, DriftProbe
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.generation_card import data_card
from gnomon_trainer.domain.generation_parts import written_text
from gnomon_trainer.domain.generation_round import COLUMNS
from gnomon_trainer.domain.generation_seeds import Seed
from gnomon_trainer.domain.generation_sieve import NEAR
from gnomon_trainer.domain.generations import GenerationProgress, GenerationSpec, wanted
from gnomon_trainer.domain.paid_work import PaidWork
from gnomon_trainer.domain.rows import StoredRow, row_of
from gnomon_trainer.domain.texts import rendered

FEWER_ROWS = "FEWER_ROWS_THAN_WANTED"


async def finished(
    work: PaidWork,
    spec: GenerationSpec,
    progress: GenerationProgress,
    *,
    records: Sequence[Mapping[str, Any]],
    seeds: Sequence[Seed],
    datasets: DatasetStore,
    rows: RowStore,
    probe: DriftProbe,
    now: float,
) -> dict[str, Any]:
    """Store the dataset; return the work's result. Done again, it stores nothing new."""
    findings = tuple(_shortfall(spec, progress))
    draft = await in_thread(_draft, work, spec, records, findings, rows)
    (dataset,) = await in_thread(datasets.add, [draft], None, now)
    report = await _diversity(spec, progress, records, seeds, probe)
    result = {
        "dataset": str(dataset.name),
        "digest": dataset.digest,
        "class_counts": dict(dataset.class_counts),
        "findings": [{"code": f.code, "message": f.message} for f in findings],
        "diversity": report,
    }
    return result | {"card": data_card(work, spec, progress, result, now)}


def _draft(
    work: PaidWork,
    spec: GenerationSpec,
    records: Sequence[Mapping[str, Any]],
    findings: tuple[Finding, ...],
    rows: RowStore,
) -> DatasetDraft:
    sink, checks = rows.sink(), RowChecks(spec.metric)
    try:
        for number, record in enumerate(records, 1):
            row = row_of(number, record, spec.metric)
            checks.add(StoredRow(dict(record), row.label, rendered(row.instance, spec.metric)))
            sink.write(record)
        digest, size_bytes = sink.keep()
    finally:
        sink.discard()
    return DatasetDraft(
        dataset=spec.dataset,
        metric=spec.metric.name,
        digest=digest,
        findings=(*findings, *checks.findings()),
        row_count=checks.row_count,
        class_counts=checks.class_counts(),
        extra_columns=tuple(sorted(COLUMNS)),
        size_bytes=size_bytes,
        source_filename=work.name,
        generation=work.name,
    )


def _shortfall(spec: GenerationSpec, progress: GenerationProgress) -> list[Finding]:
    short = {
        label: (progress.kept.get(label, 0), count)
        for label, count in wanted(spec, progress).items()
        if progress.kept.get(label, 0) < count
    }
    if not short:
        return []
    shown = ", ".join(f"{label!r} {kept} of {count}" for label, (kept, count) in list(short.items())[:8])
    return [
        finding(
            FEWER_ROWS,
            f"Too many items were dropped, so there are fewer rows than were wanted: {shown}. Why they were "
            "dropped is counted beside it.",
        )
    ]


async def _diversity(
    spec: GenerationSpec,
    progress: GenerationProgress,
    records: Sequence[Mapping[str, Any]],
    seeds: Sequence[Seed],
    probe: DriftProbe,
) -> dict[str, Any]:
    texts = [written_text(row_of(1, record, spec.metric).instance, spec.metric) for record in records]
    known = [seed.text for seed in seeds]
    found = await in_thread(diversity.figures, texts, known)
    try:
        drift = await probe.drift(diversity.sampled(texts), diversity.sampled(known))
    except GnomonError:  # the rows are there and paid; figures that are missing are shown as missing
        drift = Drift()
    near = diversity.share_dropped(progress.dropped, NEAR, sum(progress.asked.values()))
    return diversity.as_report(found, drift) | {"near_duplicate_share": near}
