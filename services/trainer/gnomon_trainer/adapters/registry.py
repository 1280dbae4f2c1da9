"""The registry, reached through the SDK as any user does."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gnomon import AsyncClient, Client, convert
from gnomon.errors import (
    DeadlineExceededError,
    GnomonError,
    NotFoundError,
    RegistryUnavailableError,
    ServiceUnavailableError,
)
from gnomon.names import MetricName, MetricVersionName, ProjectName
from gnomon.v1 import resources_pb2 as pb
from gnomon_trainer.domain.catalog import VersionOrigin
from gnomon_trainer.domain.judge_prompt import JudgeClass, Judged
from gnomon_trainer.domain.training import MetricDefinition

_RETRY_AFTER_S = 1.0


@contextmanager
def _absence_is_told() -> Iterator[None]:
    """Whoever calls the trainer must learn that the registry is away, not that the trainer is."""
    try:
        yield
    except (ServiceUnavailableError, DeadlineExceededError) as error:
        raise RegistryUnavailableError(
            "The trainer cannot reach the registry. Check that it runs, and GNOMON_TRAINER_REGISTRY_ADDRESS.",
            retry_after_s=_RETRY_AFTER_S,
        ) from error


class RegistryCatalog:
    """A `Catalog`. Belongs to one event loop; close it there."""

    def __init__(self, reached: Mapping[str, Any], timeout_s: float) -> None:
        """`reached` says how the registry is, in the words of the SDK's client."""
        self._client = AsyncClient(**reached, timeout_s=timeout_s)

    async def check(self) -> None:
        """Look whether the registry answers.

        Raises:
            RegistryUnavailableError: it does not.
        """
        with _absence_is_told():
            async for _ in self._client.projects.list():
                break

    async def metric(self, name: MetricName) -> MetricDefinition:
        return definition(await self._metric(name))

    async def judged(self, name: MetricName) -> Judged:
        metric = await self._metric(name)
        defined = definition(metric)
        return Judged(
            metric=metric.name,
            prompt=metric.judge_prompt,
            classes=tuple(JudgeClass(each.label, each.rubric) for each in metric.classes),
            step=defined.step,
            input_shape=defined.input_shape,
        )

    async def _metric(self, name: MetricName) -> pb.Metric:
        with _absence_is_told():
            try:
                return await self._client.metrics.get(str(name))
            except NotFoundError as error:
                raise NotFoundError(
                    f"There is no {name} in the registry. `gnomon metrics list` shows what there is.",
                    resource=str(name),
                ) from error

    async def version(self, name: MetricVersionName) -> VersionOrigin:
        with _absence_is_told():
            try:
                found = await self._client.versions.get(str(name))
            except NotFoundError as error:
                hint = f"`gnomon versions list {name.metric}` shows what there is."
                raise NotFoundError(f"{error.message} {hint}", resource=str(name)) from error
        number = MetricVersionName.parse(found.name).number
        assert number is not None, "the registry answers with numbers"
        return VersionOrigin(name.metric, number, found.lineage.run)

    async def check_project(self, name: ProjectName) -> None:
        with _absence_is_told():
            try:
                await self._client.projects.get(str(name))
            except NotFoundError as error:
                raise NotFoundError(
                    f"There is no {name} in the registry. `gnomon projects create {name.project}` makes it.",
                    resource=str(name),
                ) from error

    async def close(self) -> None:
        await self._client.close()


class RegistryRegistrar:
    """A `Registrar`."""

    def __init__(self, reached: Mapping[str, Any], timeout_s: float) -> None:
        self._reached = reached
        self._timeout_s = timeout_s

    def register(
        self, metric: MetricName, bundle: Path, description: str, request_id: uuid.UUID
    ) -> MetricVersionName:
        with _absence_is_told(), Client(**self._reached, timeout_s=self._timeout_s) as client:
            version = client.versions.create(
                str(metric), bundle, description=description, request_id=str(request_id)
            )
        return MetricVersionName.parse(version.name)


def definition(metric: pb.Metric) -> MetricDefinition:
    """Return what the trainer needs of a metric.

    Raises:
        GnomonError: a newer registry sent an enum that this release does not know.
    """
    try:
        return MetricDefinition(
            name=metric.name,
            output_type=convert.output_type_from_proto(metric.output_type),
            step=convert.step_from_proto(metric.step),
            input_shape=convert.input_shape_from_proto(metric.input_shape),
            classes=tuple(entry.label for entry in metric.classes),
            flagged_classes=tuple(entry.label for entry in metric.classes if entry.flagged),
        )
    except (KeyError, ValueError) as error:
        raise GnomonError(
            f"{metric.name} is of a kind that this trainer does not know. Upgrade it."
        ) from error
