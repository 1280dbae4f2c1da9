"""Finding a resource, or saying in words that it is not there."""

from gnomon.errors import EtagMismatchError, NotFoundError
from gnomon.names import AliasName, MetricName, MetricVersionName, ProjectName
from gnomon_registry.domain.entities import Alias, Metric, MetricVersion, Project
from gnomon_registry.domain.ports import CatalogReader


def not_found(resource: object, hint: str = "") -> NotFoundError:
    return NotFoundError(f"There is no {resource}.{hint}", resource=str(resource))


def the_project(catalog: CatalogReader, name: ProjectName) -> Project:
    if (project := catalog.project(name)) is None:
        raise not_found(name)
    return project


def the_metric(catalog: CatalogReader, name: MetricName) -> Metric:
    if (metric := catalog.metric(name)) is None:
        raise not_found(name)
    return metric


def the_alias(catalog: CatalogReader, name: AliasName) -> Alias:
    if (alias := catalog.alias(name)) is None:
        raise not_found(name)
    return alias


def the_version(catalog: CatalogReader, name: MetricVersionName, *, deleted: bool = False) -> MetricVersion:
    """Return a version by number or alias; one that was deleted only if `deleted`."""
    number = name.number
    if number is None:
        assert name.alias is not None
        number = the_alias(catalog, AliasName(name.metric, name.alias)).number
    version = catalog.version(name.metric, number)
    if version is None:
        raise not_found(name)
    if version.delete_time and not deleted:
        raise NotFoundError(
            f"{version.name} was deleted at {version.delete_time:%Y-%m-%d %H:%M:%S} UTC. "
            "Call UndeleteMetricVersion with its name to restore it.",
            resource=str(version.name),
        )
    return version


def check_etag(given: str, current: str, resource: object) -> None:
    """Raise EtagMismatchError if the caller read something else than what is there now."""
    if given and given != current:
        raise changed(resource)


def changed(resource: object) -> EtagMismatchError:
    return EtagMismatchError(
        f"{resource} was changed since you read it. Read it again and decide anew.",
        resource=str(resource),
    )
