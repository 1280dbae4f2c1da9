"""Use cases of aliases."""

import dataclasses
from dataclasses import dataclass

from gnomon.errors import AliasProtectedError, InvalidRequestError, Violation
from gnomon.names import AliasName, MetricName, MetricVersionName
from gnomon_registry.domain.entities import Alias, Change, ChangeKind
from gnomon_registry.domain.lookup import changed, check_etag, not_found, the_alias, the_metric, the_version
from gnomon_registry.domain.ports import CatalogStore, Clock, NewEtag
from gnomon_registry.domain.requests import RequestKey, answer_of, remember


@dataclass(frozen=True, slots=True)
class Aliases:
    store: CatalogStore
    clock: Clock
    new_etag: NewEtag

    def set(
        self,
        name: AliasName,
        target: MetricVersionName,
        *,
        protected: bool,
        allow_protected: bool,
        etag: str = "",
        must_be_new: bool = False,
        key: RequestKey | None = None,
    ) -> Alias:
        """Make the alias what is asked for, in one step for all readers.

        `target` may be another alias: the version it points at now is meant.
        Asking for what is there already changes nothing, and neither does a
        call that is repeated with its key.

        Raises:
            NotFoundError: there is no such version, or it was deleted.
            AliasProtectedError: the alias is protected and would move or lose its protection.
            EtagMismatchError: the alias was changed since the caller read it, or is there though it must be
                new. One that was made as asked for is no error: the call may be a repeated one.
        """
        if target.metric != name.metric:
            raise InvalidRequestError(
                f"{name} cannot point at {target}, which is a version of another metric.",
                violations=[Violation("alias.metric_version", f"must be of metrics/{name.metric}")],
            )
        with self.store.writing() as catalog:
            if answer_of(catalog, key):
                return the_alias(catalog, name)
            remember(catalog, key, name)
            the_metric(catalog, MetricName(name.metric))
            number = the_version(catalog, target).number
            old = catalog.alias(name)
            check_etag(etag, old.etag if old else "", name)
            if old and (old.number, old.protected) == (number, protected):
                return old
            if old and must_be_new:
                raise changed(name)
            if old and old.protected and not allow_protected:
                raise _protected(name)
            new = Alias(name, number, protected, self.new_etag(), self.clock())
            if old and old.number == number:
                new = dataclasses.replace(new, update_time=old.update_time)  # protection is no move
            else:
                catalog.log(_change(ChangeKind.ALIAS_SET, new, number, old.number if old else None))
            catalog.put_alias(new)
        return new

    def get(self, name: AliasName) -> Alias:
        with self.store.reading() as catalog:
            return the_alias(catalog, name)

    def page(self, metric: MetricName, after: str, limit: int) -> list[Alias]:
        with self.store.reading() as catalog:
            the_metric(catalog, metric)
            return catalog.aliases(metric.metric, after, limit)

    def delete(self, name: AliasName, *, allow_protected: bool) -> None:
        with self.store.writing() as catalog:
            alias = the_alias(catalog, name)
            if alias.protected and not allow_protected:
                raise _protected(name)
            catalog.remove_alias(name)
            gone = dataclasses.replace(alias, update_time=self.clock())
            catalog.log(_change(ChangeKind.ALIAS_DELETED, gone, None, alias.number))

    def history(self, name: AliasName, before: int | None, limit: int) -> list[Change]:
        """Return where the alias has pointed, newest first; it outlives the alias."""
        with self.store.reading() as catalog:
            changes = catalog.alias_changes_newest_first(name, before, limit)
            if not changes and not catalog.alias_changes_newest_first(name, None, 1):
                raise not_found(name)
            return changes


def _change(kind: ChangeKind, alias: Alias, number: int | None, old_number: int | None) -> Change:
    return Change(kind, alias.name.metric, number, alias.update_time, alias.name.alias, old_number)


def _protected(name: AliasName) -> AliasProtectedError:
    return AliasProtectedError(
        f"{name} is protected. Set allow_protected if it shall be changed nevertheless.", resource=str(name)
    )
