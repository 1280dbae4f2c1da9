"""What can be done with feedback. Blocking work runs in threads."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.errors import (
    FeedbackMissingError,
    GnomonError,
    InvalidRequestError,
    LineageMissingError,
    NotFoundError,
    RunsNotComparableError,
    Violation,
)
from gnomon.names import DatasetName, MetricName, MetricVersionName, ProjectName, RecipeName, RunName
from gnomon.threads import in_thread
from gnomon_trainer.domain.catalog import Catalog, VersionOrigin
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, Request, RowStore
from gnomon_trainer.domain.feedback import (
    MAX_ENTRIES,
    Feedback,
    FeedbackDraft,
    FeedbackEntry,
    FeedbackOrigin,
    FeedbackStore,
    Outcome,
    draft_of,
    last_words,
)
from gnomon_trainer.domain.nearness import Neighbours
from gnomon_trainer.domain.next_training_set import (
    feedback_record,
    labels_of,
    overlapping,
    sort_words,
    training_records,
    without,
    write,
)
from gnomon_trainer.domain.run_checks import read_rows
from gnomon_trainer.domain.run_orders import RunOrder
from gnomon_trainer.domain.run_use_cases import Runs
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.training import MetricDefinition

_LONGEST_ID = 63
_DIGEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class NextRunOrder:
    """Which version to go on from, and where.

    `project` is None for that of its run; `run` is empty if the server is to choose.
    """

    metric_version: MetricVersionName
    project: ProjectName | None = None
    run: str = ""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class _Scored:
    """The metric and the numbered version of an entry."""

    metric: MetricDefinition
    version: int


@dataclass(frozen=True, slots=True)
class FeedbackCases:
    """Use cases of feedback. `held_out_share` of new texts, in [0, 1), are never trained on."""

    store: FeedbackStore
    datasets: DatasetStore
    rows: RowStore
    catalog: Catalog
    runs: Runs
    neighbours: Neighbours
    clock: Callable[[], float]
    heavy: asyncio.Semaphore  # so that large sets leave threads for short calls
    recording: asyncio.Semaphore  # apart from `heavy`: what people say does not wait for uploads
    held_out_share: float
    max_cell_characters: int

    async def record(
        self, entries: Sequence[FeedbackEntry | GnomonError], request: Request | None
    ) -> tuple[Outcome, ...]:
        """Store what people said, each entry by itself; an entry that could not be read stays its error.

        Raises:
            InvalidRequestError: there are none, or too many.
            RegistryUnavailableError: versions cannot be looked up now.
        """
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise InvalidRequestError(
                f"There are {len(entries)} entries; there must be 1 to {MAX_ENTRIES}.",
                violations=[Violation("entries", f"must be 1 to {MAX_ENTRIES}")],
            )
        if request and (known := await asyncio.to_thread(self.store.replayed, request)) is not None:
            return known
        named = {entry.metric_version for entry in entries if isinstance(entry, FeedbackEntry)}
        scored = {name: await self._scored(name) for name in named}
        async with self.recording:
            return await in_thread(self._record, entries, scored, request)

    async def _scored(self, name: MetricVersionName) -> _Scored | GnomonError:
        try:
            version = await self.catalog.version(name)
            metric = await self.catalog.metric(MetricName(name.metric))
        except NotFoundError as error:
            return error
        return _Scored(metric, version.number)

    def _record(
        self,
        entries: Sequence[FeedbackEntry | GnomonError],
        scored: Mapping[MetricVersionName, _Scored | GnomonError],
        request: Request | None,
    ) -> tuple[Outcome, ...]:
        now = self.clock()
        drafts = [self._draft(entry, scored, now) for entry in entries]
        return self.store.add(drafts, request, now, self.held_out_share)

    def _draft(
        self,
        entry: FeedbackEntry | GnomonError,
        scored: Mapping[MetricVersionName, _Scored | GnomonError],
        now: float,
    ) -> FeedbackDraft | GnomonError:
        if isinstance(entry, GnomonError):
            return entry
        found = scored[entry.metric_version]
        if isinstance(found, GnomonError):
            return found
        try:
            limit = self.max_cell_characters
            return draft_of(entry, found.metric, found.version, max_cell_characters=limit, now=now)
        except GnomonError as error:
            return error

    async def page(
        self, name: MetricName, before: int | None, size: int
    ) -> tuple[Sequence[Feedback], MetricDefinition]:
        """Return feedback on a metric, newest first, and the metric, whose step tells how cells are read.

        Raises:
            NotFoundError: there is no such metric.
        """
        metric = await self.catalog.metric(name)
        return await asyncio.to_thread(self.store.page, str(name), before, size), metric

    async def collect(self, name: MetricName, dataset: str) -> Dataset:
        """Make a dataset's next version of the last word on every text.

        Raises:
            NotFoundError: there is no such metric.
            FeedbackMissingError: nobody said anything yet.
        """
        metric = await self.catalog.metric(name)
        async with self.heavy:
            return await in_thread(self._collect, metric, dataset or feedback_dataset(name, "feedback"))

    def _collect(self, metric: MetricDefinition, dataset: str) -> Dataset:
        records = (feedback_record(said, with_side=True) for said in self._words(metric))
        draft = write(dataset, records, metric, self.rows, source="feedback")
        (stored,) = self.datasets.add([draft], None, self.clock())
        return stored

    def _words(self, metric: MetricDefinition) -> list[Feedback]:
        """Return the last words whose label the metric still declares, of which there must be one."""
        words = [said for said in last_words(self.store.all(metric.name)) if said.label in metric.classes]
        if not words:
            raise FeedbackMissingError(
                f"There is no feedback on {metric.name} yet. Record some: gnomon feedback record --help",
                resource=metric.name,
            )
        return words

    async def train(self, order: NextRunOrder, request: Request | None) -> Run:
        """Queue the run that goes on from a version with what people said since.

        Raises:
            NotFoundError: there is no such version, metric or project.
            LineageMissingError: what the version was made of is not here.
            FeedbackMissingError: there is nothing that the version has not learned.
            RunsNotComparableError: the metric's classes are others now.
            GnomonError: as `Runs.create`.
        """
        if request and (known := await asyncio.to_thread(self.runs.store.replayed, request)):
            return known
        origin = await self.catalog.version(order.metric_version)
        metric = await self.catalog.metric(MetricName(order.metric_version.metric))
        async with self.heavy:
            next_run = await in_thread(self._next_run, order, origin, metric)
        return await self.runs.create(next_run, request)

    def _next_run(self, order: NextRunOrder, origin: VersionOrigin, metric: MetricDefinition) -> RunOrder:
        last = self._run_of(origin)
        if last.spec.metric.classes != metric.classes:
            raise RunsNotComparableError(
                f"{metric.name} has other classes than when {origin.name} was trained, so the two could not "
                "be compared. Train a version with the classes of today by `gnomon runs create` first.",
                resource=str(last.name),
                other=metric.name,
            )
        base, test = (
            self._set_of(origin, name, digest)
            for name, digest in (
                (last.spec.training_set, last.spec.training_set_digest),
                (last.spec.test_set, last.spec.test_set_digest),
            )
        )
        training, made_of = self._next_sets(origin, last, base, test, metric)
        return RunOrder(
            project=order.project or ProjectName(last.project),
            run=order.run,
            metric=MetricName.parse(metric.name),
            training_set=training.name,
            test_set=test.name,
            recipe=RecipeName.parse(last.spec.recipe),
            parameters=last.spec.requested,
            allow_small=last.spec.allow_small,
            display_name=order.display_name,
            service_objective=last.spec.service_objective,
            report_options=last.spec.report_options,
            feedback_origin=made_of,
        )

    def _run_of(self, origin: VersionOrigin) -> Run:
        if not origin.run:
            raise _missing(origin, "was not made by a training run")
        try:
            return self.runs.store.get(RunName.parse(origin.run))
        except NotFoundError as error:
            raise _missing(origin, f"was made by {origin.run}, which this trainer does not have") from error

    def _set_of(self, origin: VersionOrigin, name: str, digest: str) -> Dataset:
        try:
            dataset = self.datasets.get(DatasetName.parse(name))
        except NotFoundError as error:
            raise _missing(origin, f"was made with {name}, which was deleted") from error
        assert dataset.digest == digest, "versions of datasets are immutable"
        return dataset

    def _next_sets(
        self, origin: VersionOrigin, last: Run, base: Dataset, test: Dataset, metric: MetricDefinition
    ) -> tuple[Dataset, FeedbackOrigin]:
        """Store the next training set and what is held out, and say how they were made."""
        words = self._words(metric)
        in_test = overlapping(words, test, metric, self.rows, self.neighbours)
        there = labels_of(read_rows(self.rows, base.digest, metric), metric)
        found = sort_words(without(words, in_test), there)
        if found.changes_nothing:
            raise _nothing_new(origin, found.known, len(found.held_out), len(in_test.rows))
        name = MetricName.parse(metric.name)
        records = training_records(self.rows.read(base.digest), found, metric)
        target, columns = feedback_dataset(name, "feedback-training"), base.extra_columns
        draft = write(
            target,
            records,
            metric,
            self.rows,
            source=f"{base.name} and feedback",
            columns=columns,
            labelling=base.labelling,
            generation=base.generation,
        )
        (training,) = self.datasets.add([draft], None, self.clock())
        held_out = without(
            found.held_out, overlapping(found.held_out, training, metric, self.rows, self.neighbours)
        )
        return training, FeedbackOrigin(
            metric_version=str(origin.name),
            run=str(last.name),
            held_out_set=self._held_out_set(name, held_out, metric),
            held_out_rows=len(held_out),
            added_rows=len(found.added),
            relabelled_rows=found.relabelled_rows,
            known_rows=found.known,
            test_rows=len(in_test.rows),
            contradicting_test_rows=len(in_test.conflicting),
        )

    def _held_out_set(self, name: MetricName, held_out: Sequence[Feedback], metric: MetricDefinition) -> str:
        if not held_out:
            return ""
        target = feedback_dataset(name, "feedback-held-out")
        draft = write(target, map(feedback_record, held_out), metric, self.rows, source="feedback")
        (dataset,) = self.datasets.add([draft], None, self.clock())
        return str(dataset.name)


def feedback_dataset(metric: MetricName, what: str) -> str:
    """Return the ID of a dataset that is made of a metric's feedback; no two metrics share one."""
    whole = f"{metric.metric}-{what}"
    if len(whole) <= _LONGEST_ID:
        return whole
    # Cut names may be equal, which a digest of the whole one is not.
    end = f"-{hashlib.sha256(metric.metric.encode()).hexdigest()[:_DIGEST_CHARACTERS]}-{what}"
    return metric.metric[: _LONGEST_ID - len(end)].rstrip("-") + end


def _missing(origin: VersionOrigin, why: str) -> LineageMissingError:
    return LineageMissingError(
        f"{origin.name} {why}, so there is no training set to go on from. Name another version with --from, "
        "or train one by `gnomon runs create` and point the alias at it.",
        resource=str(origin.name),
    )


def _nothing_new(origin: VersionOrigin, known: int, held_out: int, in_test: int) -> FeedbackMissingError:
    return FeedbackMissingError(
        f"There is nothing that {origin.name} has not learned: of the feedback, {known} rows are in its "
        f"training set with the same label, {in_test} in its test set, and {held_out} are held out for "
        "comparing. Record more, then train.",
        resource=str(origin.name),
    )
