"""What the catalog holds: projects, metrics, versions, aliases, and what happened to them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gnomon.bundle import BundleFile, Format, LineageRecord
from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import AliasName, MetricName, MetricVersionName, ProjectName


@dataclass(frozen=True, slots=True)
class Project:
    """Groups training runs that share a goal."""

    name: ProjectName
    display_name: str
    description: str
    etag: str
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class LabelClass:
    label: str
    rubric: str = ""
    flagged: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """The part of a metric that never changes: every version was made for it.

    `preset` is what it was made from, such as `toxicity-output@1`, or empty.
    """

    output_type: OutputType
    classes: tuple[LabelClass, ...]
    step: Step
    input_shape: InputShape
    preset: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.classes)

    @property
    def flagged_labels(self) -> tuple[str, ...]:
        return tuple(c.label for c in self.classes if c.flagged)


@dataclass(frozen=True, slots=True)
class Metric:
    name: MetricName
    definition: Definition
    display_name: str
    description: str
    judge_prompt: str
    etag: str
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class ImportSource:
    """Where a bundle was made, if not here, and who brought it; both as the caller says."""

    origin: str
    importer: str = ""


@dataclass(frozen=True, slots=True)
class MetricVersion:
    """An immutable numbered release of a metric; only `delete_time` and who points at it change.

    `report` is a serialised `gnomon.v1.EvaluationReport`, or empty.
    """

    metric: str
    number: int
    description: str
    digest: str
    files: tuple[BundleFile, ...]
    formats: tuple[Format, ...]
    threshold: float
    max_tokens: int
    lineage: LineageRecord
    report: bytes
    create_time: datetime
    delete_time: datetime | None = None
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> MetricVersionName:
        return MetricVersionName(self.metric, self.number)


@dataclass(frozen=True, slots=True)
class Alias:
    name: AliasName
    number: int
    protected: bool
    etag: str
    update_time: datetime

    @property
    def version(self) -> MetricVersionName:
        return MetricVersionName(self.name.metric, self.number)


class ChangeKind(StrEnum):
    VERSION_CREATED = "version_created"
    VERSION_DELETED = "version_deleted"
    VERSION_RESTORED = "version_restored"
    ALIAS_SET = "alias_set"
    ALIAS_DELETED = "alias_deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the catalog's log, which is also the history of every alias.

    `number` is the version that was created, deleted or restored, or that the alias
    points at from now on; `old_number` is where the alias pointed before.
    """

    kind: ChangeKind
    metric: str
    number: int | None
    create_time: datetime
    alias: str | None = None
    old_number: int | None = None
    id: int = 0  # given by the store, increasing


@dataclass(frozen=True, slots=True)
class Answered:
    """A create that was carried out: what its request ID must be answered with again."""

    request_id: str
    body: str  # a digest of the request
    resource: str


@dataclass(frozen=True, slots=True)
class BlobOwner:
    """The API key that stored a blob, by its whole name, and the blob's size."""

    api_key: str
    size_bytes: int
