"""From what a user asks for to what a run is made of. Blocks: it reads both sets."""

import contextlib
from collections.abc import Iterator, Set
from dataclasses import dataclass

from gnomon.errors import BaseModelMissingError, NotFoundError
from gnomon.names import DatasetName
from gnomon_trainer.domain.choosing import facts_of
from gnomon_trainer.domain.datasets import Dataset, DatasetStore, RowStore
from gnomon_trainer.domain.division import check_division
from gnomon_trainer.domain.findings import Finding, finding
from gnomon_trainer.domain.generation_origin import FROM, Origin, Origins, SeedRows, named_seeds
from gnomon_trainer.domain.lengths import TokenReaders, length_findings
from gnomon_trainer.domain.nearness import Neighbours
from gnomon_trainer.domain.recipes import Recipe, Recipes, check_at_hand, choose_recipe, find, resolve
from gnomon_trainer.domain.run_checks import check_sets, check_test_set, read_rows
from gnomon_trainer.domain.run_orders import RunOrder, check_report_options
from gnomon_trainer.domain.runs import RunSpec
from gnomon_trainer.domain.training import MetricDefinition, Parameters, Row

_UNKNOWN_ROWS = 1_000_000  # as many as make no recipe do otherwise than it says for many


@dataclass(frozen=True, slots=True)
class RunPlanner:
    """Checks what was asked for, and resolves it."""

    datasets: DatasetStore
    rows: RowStore
    recipes: Recipes
    neighbours: Neighbours
    readers: TokenReaders
    origins: Origins

    def plan(self, order: RunOrder, metric: MetricDefinition) -> RunSpec:
        """Check everything that can be checked of a run whose training set is there.

        Raises:
            NotFoundError: dataset or recipe.
            InvalidRequestError: a parameter is out of its range.
            BaseModelMissingError: see the recipe's `unavailable_reason`.
            DatasetUnsuitableError, DatasetTooSmallError: see `check_sets` and `check_division`.
        """
        assert order.training_set is not None, "plan_ahead is for those that wait"
        training, test = self.datasets.get(order.training_set), self.datasets.get(order.test_set)
        asked = check_at_hand(find(self.recipes, order.recipe.recipe), self.recipes)
        return self._spec(order, metric, training, test, asked)

    def plan_ahead(self, order: RunOrder, metric: MetricDefinition) -> RunSpec:
        """Check what can be checked before there is a training set; what depends on it stays open.

        Raises as `plan`.
        """
        test = self.datasets.get(order.test_set)
        asked = check_at_hand(find(self.recipes, order.recipe.recipe), self.recipes)
        origin = self.origins.of(order.made_by) if order.made_by.startswith("generations/") else None
        check_test_set(
            test,
            metric,
            self.rows,
            allow_small=order.allow_small,
            neighbours=self.neighbours,
            seeds=self._seeds(origin, metric),
        )
        parameters, _ = resolve(asked, order.parameters, _UNKNOWN_ROWS, flags=bool(metric.flagged_classes))
        return RunSpec(
            metric=metric,
            training_set="",
            training_set_digest="",
            test_set=str(test.name),
            test_set_digest=test.digest,
            recipe=str(order.recipe),
            base_model=asked.base_model,
            requested=dict(order.parameters),
            parameters=parameters,
            origins={},
            allow_small=order.allow_small,
            service_objective=order.service_objective,
            report_options=check_report_options(order.report_options, test),
            feedback_origin=order.feedback_origin,
            made_by=order.made_by,
        )

    def _spec(
        self, order: RunOrder, metric: MetricDefinition, training: Dataset, test: Dataset, asked: Recipe
    ) -> RunSpec:
        origin = self.origins.of(training.generation) if training.generation else None
        is_refused = training.unlabelled or training.metric != metric.name  # and cannot be read
        checked = check_sets(
            training,
            test,
            metric,
            self.rows,
            allow_small=order.allow_small,
            neighbours=self.neighbours,
            seeds=[] if is_refused else self._seeds(origin, metric, training),
        )

        def left() -> Iterator[Row]:
            every = read_rows(self.rows, training.digest, metric)
            return (row for row in every if row.number not in checked.left_out)

        recipe, chosen = asked, None
        if asked.choice is not None:
            facts = facts_of(left(), metric, order.service_objective)
            recipe, chosen = choose_recipe(asked.choice, facts, self.recipes)
        parameters, origins = resolve(
            recipe, order.parameters, checked.training_rows, flags=bool(metric.flagged_classes)
        )
        check_division(left(), metric, parameters, str(training.name))
        return RunSpec(
            metric=metric,
            training_set=str(training.name),
            training_set_digest=training.digest,
            test_set=str(test.name),
            test_set_digest=test.digest,
            recipe=str(order.recipe),
            base_model=recipe.base_model,
            requested=dict(order.parameters),
            parameters=parameters,
            origins=origins,
            allow_small=order.allow_small,
            findings=(
                *checked.findings,
                *([finding("RECIPE_CHOSEN", chosen.reason)] if chosen else ()),
                *self._lengths(training, test, metric, recipe, parameters),
            ),
            warnings=checked.warnings,
            left_out=tuple(sorted(checked.left_out)),
            service_objective=order.service_objective,
            report_options=check_report_options(order.report_options, test),
            chosen_recipe=f"recipes/{chosen.recipe}" if chosen else "",
            recipe_reason=chosen.reason if chosen else "",
            feedback_origin=order.feedback_origin,
            generation=training.generation,
            generator=origin.generator if origin else "",
            test_left_out=tuple(sorted(checked.test_left_out)),
            made_by=order.made_by,
        )

    def _seeds(
        self, origin: Origin | None, metric: MetricDefinition, training: Dataset | None = None
    ) -> list[Row]:
        """Return the rows that a training set was generated from, as far as they are here."""
        seeds = list(origin.seeds) if origin else []
        if training and FROM in training.extra_columns:
            for name, numbers in named_seeds(read_rows(self.rows, training.digest, metric)).items():
                seeds += self._named(DatasetName.parse(name), numbers, metric)
        return [row for each in seeds for row in each.read(self.rows, metric)]

    def _named(self, name: DatasetName, numbers: Set[int], metric: MetricDefinition) -> list[SeedRows]:
        try:
            dataset = self.datasets.get(name, deleted=True)
        except NotFoundError:
            return []
        there = tuple(number for number in numbers if number <= dataset.row_count)
        return [SeedRows(str(name), dataset.digest, there)] if dataset.metric == metric.name else []

    def _lengths(
        self,
        training: Dataset,
        test: Dataset,
        metric: MetricDefinition,
        recipe: Recipe,
        parameters: Parameters,
    ) -> Iterator[Finding]:
        """Find rows that are longer than is read at once; nothing where no tokenizer is at hand."""
        with contextlib.suppress(BaseModelMissingError):
            for which, dataset in (("training", training), ("test", test)):
                rows = read_rows(self.rows, dataset.digest, metric)
                yield from length_findings(
                    which,
                    rows,
                    metric,
                    readers=self.readers,
                    base_model=recipe.base_model,
                    parameters=parameters,
                )
