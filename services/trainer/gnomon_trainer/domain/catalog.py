"""What the trainer asks of the registry. Pure."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.names import MetricName, MetricVersionName, ProjectName
from gnomon_trainer.domain.judge_prompt import Judged
from gnomon_trainer.domain.training import MetricDefinition


@dataclass(frozen=True, slots=True)
class VersionOrigin:
    """A version by its number, and the run that made it; `run` is empty if it was trained elsewhere."""

    metric: str
    number: int
    run: str

    @property
    def name(self) -> MetricVersionName:
        return MetricVersionName(self.metric, self.number)


class Catalog(Protocol):
    """Reads metrics, versions and projects.

    Every method raises RegistryUnavailableError while the registry is away.
    """

    async def metric(self, name: MetricName) -> MetricDefinition:
        """Return a metric, or raise NotFoundError."""
        ...

    async def judged(self, name: MetricName) -> Judged:
        """Return what a judge needs of a metric, or raise NotFoundError."""
        ...

    async def version(self, name: MetricVersionName) -> VersionOrigin:
        """Return a version by its number or an alias, or raise NotFoundError."""
        ...

    async def check_project(self, name: ProjectName) -> None:
        """Raise NotFoundError if there is no such project."""
        ...


class Registrar(Protocol):
    """Registers bundles; used by the worker, so it blocks."""

    def register(
        self, metric: MetricName, bundle: Path, description: str, request_id: uuid.UUID
    ) -> MetricVersionName:
        """Register the folder as the metric's next version: once for each request ID.

        Raises:
            RegistryUnavailableError: try again later.
            GnomonError: the registry refuses, and will again.
        """
        ...


def registration_id(uid: str) -> uuid.UUID:
    """Return the request ID under which a run registers, the same for whoever does it."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://gnomon.dev/operations/{uid}")
