"""What can be looked for in a dataset once it is stored. Blocking work runs in threads."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gnomon.errors import ArtifactCorruptError, InstanceInvalidError
from gnomon.names import DatasetName, MetricName
from gnomon.rendering import Rendered, render, template_for
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.checks import RowChecks
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, RowStore, check_labelled
from gnomon_trainer.domain.doubtful_labels import kept
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.label_checks import (
    LabelProbe,
    Suspect,
    examined,
    mislabelled,
    near_conflicts,
)
from gnomon_trainer.domain.nearness import Neighbours, affordable
from gnomon_trainer.domain.rows import checked_row, row_of
from gnomon_trainer.domain.texts import normalised, rendered
from gnomon_trainer.domain.training import MetricDefinition, Row
from gnomon_trainer.domain.wanted_work import while_wanted

MOST_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """A row whose label is likely wrong."""

    row: Row
    suggested_label: str
    label_probability: float
    suggested_probability: float


@dataclass(frozen=True, slots=True)
class Checked:
    dataset: Dataset
    suspects: tuple[SuspectRow, ...]


@dataclass(slots=True)
class _Read:
    """A dataset's rows, and what was found while they were read."""

    findings: list[Finding] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    texts: list[Rendered] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checks:
    """Use cases of checks. `under_way`: the datasets that are looked at now, with their versions."""

    store: DatasetStore
    rows: RowStore
    catalog: Catalog
    neighbours: Neighbours
    probe: LabelProbe
    heavy: asyncio.Semaphore
    under_way: list[DatasetName] = field(default_factory=list)

    async def check(self, name: DatasetName) -> Checked:
        """Look for what takes too long for an upload, and keep it with the dataset.

        Raises:
            NotFoundError: there is no such dataset, or no metric of its labels.
            DatasetUnlabelledError: there are no labels to look at.
            InternalError: the probe broke down.
        """
        dataset = check_labelled(await asyncio.to_thread(self.store.get, name))
        metric = await self.catalog.metric(MetricName.parse(dataset.metric))
        self.under_way.append(dataset.name)
        try:
            async with self.heavy:
                read = await while_wanted(lambda pause: self._read(dataset, metric, pause))
            suspects = await self._suspects(read, metric)
        finally:
            self.under_way.remove(dataset.name)
        checked = await asyncio.to_thread(self.store.keep_findings, dataset.name, tuple(read.findings))
        return Checked(checked, suspects)

    def _read(self, dataset: Dataset, metric: MetricDefinition, pause: Callable[[], None]) -> _Read:
        read, checks = _Read(), RowChecks(metric)
        if unknown := sorted(dataset.labels - set(metric.classes)):
            read.findings.append(_unknown_labels(unknown, metric))
            return read
        template = template_for(metric.input_shape)
        try:
            for number, record in enumerate(self.rows.read(dataset.digest), 1):
                pause()
                row = row_of(number, record, metric)
                checks.add(checked_row(row, record, metric))
                read.rows.append(row)
                read.texts.append(render(row.instance, template, metric.step))
        except (ArtifactCorruptError, InstanceInvalidError) as error:
            return _Read([finding("ROWS_UNREADABLE", f"{error.message} Upload the rows again.")])
        read.findings += checks.findings()
        read.findings += kept(dataset.findings)
        if affordable(dataset.row_count, dataset.size_bytes):
            texts = [normalised(rendered(row.instance, metric)) for row in read.rows]
            labels = [row.label for row in read.rows]
            read.findings += near_conflicts(texts, labels, self.neighbours, pause)
        return read

    async def _suspects(self, read: _Read, metric: MetricDefinition) -> tuple[SuspectRow, ...]:
        """Ask the probe, and add what it says to the findings."""
        labels = [metric.classes.index(row.label) for row in read.rows]
        places = examined(labels)
        if len({labels[place] for place in places}) < 2:
            return ()
        found = await self.probe.suspects([read.texts[p] for p in places], [labels[p] for p in places])
        suspects = tuple(_suspect_row(read.rows[places[s.place]], s, metric) for s in found)
        numbers = [suspect.row.number for suspect in suspects]
        read.findings += mislabelled(numbers, len(read.rows), len(places))
        return suspects[:MOST_SHOWN]


def _suspect_row(row: Row, suspect: Suspect, metric: MetricDefinition) -> SuspectRow:
    suggested = metric.classes[suspect.suggested]
    return SuspectRow(row, suggested, suspect.label_probability, suspect.suggested_probability)


def _unknown_labels(unknown: Sequence[str], metric: MetricDefinition) -> Finding:
    names = ", ".join(map(repr, unknown[:8])) + (", …" if len(unknown) > 8 else "")
    return finding("UNKNOWN_LABELS", f"{metric.name} declares {names} no longer. Upload the rows again.")
