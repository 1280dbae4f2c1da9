"""Use cases of metrics."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from gnomon.errors import AlreadyExistsError, InvalidRequestError, ResourceInUseError, Violation
from gnomon.names import MetricName
from gnomon_registry.domain.entities import Definition, Metric
from gnomon_registry.domain.lookup import check_etag, the_metric
from gnomon_registry.domain.ports import CatalogStore, Clock, NewEtag
from gnomon_registry.domain.requests import RequestKey, answer_of, remember
from gnomon_registry.domain.rules import check_texts, checked_definition


@dataclass(frozen=True, slots=True)
class Metrics:
    store: CatalogStore
    clock: Clock
    new_etag: NewEtag

    def create(
        self, name: MetricName, definition: Definition, texts: Mapping[str, str], key: RequestKey | None
    ) -> Metric:
        """Create a metric. `texts` holds `display_name`, `description` and `judge_prompt`."""
        check_texts("metric", **texts)
        definition = checked_definition(definition)
        with self.store.writing() as catalog:
            if answer := answer_of(catalog, key):
                return the_metric(catalog, MetricName.parse(answer))
            if catalog.metric(name):
                raise AlreadyExistsError(f"There is {name} already.", resource=str(name))
            now = self.clock()
            metric = Metric(name, definition, **texts, etag=self.new_etag(), create_time=now, update_time=now)
            catalog.put_metric(metric)
            remember(catalog, key, name)
        return metric

    def get(self, name: MetricName) -> Metric:
        with self.store.reading() as catalog:
            return the_metric(catalog, name)

    def page(self, after: str, limit: int) -> list[Metric]:
        with self.store.reading() as catalog:
            return catalog.metrics(after, limit)

    def update(
        self, name: MetricName, texts: Mapping[str, str], claims: Mapping[str, object], etag: str
    ) -> Metric:
        """Write the given texts by field name.

        `claims` are the parts of the definition that came along without being
        asked to be written; they must be what they are.
        """
        check_texts("metric", **texts)
        with self.store.writing() as catalog:
            metric = the_metric(catalog, name)
            check_etag(etag, metric.etag, name)
            _check_claims(metric, claims)
            changed = dataclasses.replace(metric, **texts)  # type: ignore[arg-type]  # texts are its texts
            if changed == metric:
                return metric
            changed = dataclasses.replace(changed, etag=self.new_etag(), update_time=self.clock())
            catalog.put_metric(changed)
        return changed

    def delete(self, name: MetricName) -> None:
        with self.store.writing() as catalog:
            the_metric(catalog, name)
            if last := catalog.last_number(name.metric):
                raise ResourceInUseError(
                    f"{name} has versions, and their numbers and reports must stay true. "
                    "A metric that has had versions, deleted ones included, cannot be deleted.",
                    resource=str(name),
                    used_by=f"{name}/versions/{last}",
                )
            catalog.remove_metric(name)


def _check_claims(metric: Metric, claims: Mapping[str, object]) -> None:
    different = [field for field, value in claims.items() if getattr(metric.definition, field) != value]
    if different:
        raise InvalidRequestError(
            f"metric.{different[0]} cannot be changed once a metric is created. Create another metric.",
            violations=[Violation(f"metric.{field}", "cannot be changed") for field in different],
        )
