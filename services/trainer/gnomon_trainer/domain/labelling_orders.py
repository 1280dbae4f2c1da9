"""What is checked before a judge is paid for a dataset. Pure."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gnomon.errors import (
    DatasetLabelledError,
    DatasetUnsuitableError,
    InvalidRequestError,
    NotFoundError,
    Violation,
)
from gnomon.names import DatasetName, MetricName, ProviderName
from gnomon.threads import in_thread
from gnomon_trainer.domain.canaries import DEFAULT_COUNT, MOST_CANARIES
from gnomon_trainer.domain.catalog import Catalog
from gnomon_trainer.domain.chat_budget import Allowance
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, RowStore, check_labelled
from gnomon_trainer.domain.judge_examples import MOST_EXAMPLES, Example, drawn
from gnomon_trainer.domain.judge_prompt import Judged, item_of
from gnomon_trainer.domain.judge_use_cases import check_prompt, check_votes
from gnomon_trainer.domain.label_origins import has_judges_label, judged_rows
from gnomon_trainer.domain.labellings import LabellingSpec, Purpose
from gnomon_trainer.domain.provider_use_cases import Providers
from gnomon_trainer.domain.review_reading import check_labels
from gnomon_trainer.domain.reviews import MOST_ITEMS
from gnomon_trainer.domain.rows import row_of
from gnomon_trainer.domain.training import JUDGE_EXPLANATION, JUDGE_LABEL, MetricDefinition

DEFAULT_EXAMPLES = 8
LONGEST_PROMPT = 20_000


@dataclass(frozen=True, slots=True)
class LabellingOrder:
    """What a caller wants. Zeros and empty texts stand for defaults, and so does None."""

    labelling: str
    purpose: Purpose
    dataset: DatasetName
    provider: ProviderName
    prompt: str
    votes: int
    allowance: Allowance
    canary_count: int | None
    examples_dataset: DatasetName | None
    example_count: int
    seed: int
    target: str


@dataclass(frozen=True, slots=True)
class LabellingPlans:
    """Makes of an order what is to be done."""

    datasets: DatasetStore
    rows: RowStore
    catalog: Catalog
    providers: Providers
    heavy: asyncio.Semaphore

    async def spec(self, order: LabellingOrder) -> LabellingSpec:
        """Check an order, and settle all that decides how rows are judged.

        Raises:
            NotFoundError: the dataset, its metric, or the provider.
            InvalidRequestError: a number is out of its range, or there is no judge prompt.
            DatasetLabelledError: the rows that are to be labelled have labels.
            DatasetUnlabelledError: the rows to validate with, or the examples, have none.
            DatasetUnsuitableError: the labels are a judge's, or another metric's.
            GnomonError: the provider's key does not open, or the registry is away.
        """
        _check_numbers(order)
        dataset = await asyncio.to_thread(self.datasets.get, order.dataset)
        name = MetricName.parse(dataset.metric)
        metric, judged = await self.catalog.metric(name), await self.catalog.judged(name)
        judged = replace(judged, prompt=order.prompt.strip() or judged.prompt)
        check_prompt(judged)
        target = order.target or dataset.dataset if order.purpose is Purpose.LABEL else ""
        await in_thread(self._check_fit, order, dataset, metric, target)
        endpoint = await self.providers.endpoint(order.provider)
        shown = await self._examples(order, metric, judged)
        return LabellingSpec(
            purpose=order.purpose,
            dataset=str(dataset.name),
            dataset_digest=dataset.digest,
            row_count=dataset.row_count,
            metric=metric,
            judged=replace(judged, examples=shown[1] if shown else ()),
            provider=str(order.provider),
            base_url=endpoint.base_url,
            model=endpoint.model,
            votes=order.votes or 1,
            canary_count=DEFAULT_COUNT if order.canary_count is None else order.canary_count,
            seed=order.seed,
            examples_dataset=str(shown[0].name) if shown else "",
            target=target,
        )

    def _check_fit(
        self, order: LabellingOrder, dataset: Dataset, metric: MetricDefinition, target: str
    ) -> None:
        if order.purpose is Purpose.VALIDATE:
            self._check_human(dataset)
            check_labels(dataset, dataset.labels, metric)
            return
        if not dataset.unlabelled:
            raise DatasetLabelledError(
                f"{dataset.name} has labels already. To find out how a judge does on it: `gnomon judge "
                f"validate {metric.name.rpartition('/')[2]} --test-set {dataset.dataset}`. To label it, "
                "upload it without labels, or name its version that has none.",
                resource=str(dataset.name),
            )
        try:
            newest = self.datasets.get(DatasetName(target))
        except NotFoundError:
            return
        if newest.metric != metric.name:
            raise DatasetUnsuitableError(
                f"datasets/{target} holds labels of {newest.metric}. Name another target_dataset_id.",
                resource=f"datasets/{target}",
            )

    def _check_human(self, dataset: Dataset) -> None:
        check_labelled(dataset)
        if judged := len(judged_rows(dataset, self.rows)):
            create = f"gnomon review create {dataset.dataset} --limit {min(judged, MOST_ITEMS)}"
            raise DatasetUnsuitableError(
                f"A judge gave {judged} of {dataset.row_count} rows of {dataset.name} their labels, as the "
                f"column `{JUDGE_EXPLANATION}` says, and no person has settled them since: a judge can only "
                f"be measured on labels of people. Review all of them (`{create}`, `gnomon review "
                f"{dataset.dataset}`) and apply the review, or upload rows that people labelled; in rows "
                f"that people corrected elsewhere, empty that column and `{JUDGE_LABEL}`.",
                resource=str(dataset.name),
            )

    async def _examples(
        self, order: LabellingOrder, metric: MetricDefinition, judged: Judged
    ) -> tuple[Dataset, tuple[Example, ...]] | None:
        if order.examples_dataset is None:
            return None
        source = check_labelled(await asyncio.to_thread(self.datasets.get, order.examples_dataset))
        if source.metric != metric.name:
            raise DatasetUnsuitableError(
                f"{source.name} holds labels of {source.metric}, not of {metric.name}.",
                resource=str(source.name),
            )
        check_labels(source, source.labels, metric)
        count = order.example_count or DEFAULT_EXAMPLES
        async with self.heavy:
            found = await in_thread(lambda: drawn(self._by_people(source, metric, judged), count, order.seed))
        if not found:
            raise DatasetUnsuitableError(
                f"People labelled no row of {source.name} that is short enough for an example. Review it "
                f"first: `gnomon review {source.dataset}`.",
                resource=str(source.name),
            )
        return source, found

    def _by_people(self, source: Dataset, metric: MetricDefinition, judged: Judged) -> Iterator[Example]:
        """Yield the rows that people labelled: all, or where a judge labelled them, those reviewed."""
        for number, record in enumerate(self.rows.read(source.digest), 1):
            if not has_judges_label(record):
                row = row_of(number, record, metric)
                yield Example(item_of(judged, row.instance), row.label)


def _check_numbers(order: LabellingOrder) -> None:
    check_votes(order.votes or 1, "labelling.votes")
    _check_range("canary_count", order.canary_count or 0, MOST_CANARIES)
    _check_range("example_count", order.example_count, MOST_EXAMPLES)
    _check_range("judge_prompt", len(order.prompt), LONGEST_PROMPT, "characters of ")


def _check_range(field: str, value: int, most: int, what: str = "") -> None:
    if not 0 <= value <= most:
        raise InvalidRequestError(
            f"labelling.{field}: {what or 'it is '}{value}; 0 to {most} are taken.",
            violations=[Violation(f"labelling.{field}", f"must be 0 to {most}")],
        )
