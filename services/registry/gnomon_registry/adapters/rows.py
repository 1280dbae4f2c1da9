"""Between the catalog's rows and the domain's entities."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from gnomon.bundle import BundleFile, Format, LineageRecord
from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import AliasName, MetricName, ProjectName
from gnomon_registry.domain.entities import (
    Alias,
    Change,
    ChangeKind,
    Definition,
    LabelClass,
    Metric,
    MetricVersion,
    Project,
)

Values = dict[str, Any]


def from_project(project: Project) -> Values:
    return {
        "project": project.name.project,
        "display_name": project.display_name,
        "description": project.description,
        "etag": project.etag,
        "create_time": project.create_time,
        "update_time": project.update_time,
    }


def to_project(row: Row[Any]) -> Project:
    return Project(
        name=ProjectName(row.project),
        display_name=row.display_name,
        description=row.description,
        etag=row.etag,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def from_metric(metric: Metric) -> Values:
    definition = metric.definition
    return {
        "metric": metric.name.metric,
        "output_type": definition.output_type.value,
        "classes": [[c.label, c.rubric, c.flagged] for c in definition.classes],
        "step": definition.step.value,
        "input_shape": definition.input_shape.value,
        "preset": definition.preset,
        "display_name": metric.display_name,
        "description": metric.description,
        "judge_prompt": metric.judge_prompt,
        "etag": metric.etag,
        "create_time": metric.create_time,
        "update_time": metric.update_time,
    }


def to_metric(row: Row[Any]) -> Metric:
    return Metric(
        name=MetricName(row.metric),
        definition=Definition(
            output_type=OutputType(row.output_type),
            classes=tuple(LabelClass(*each) for each in row.classes),
            step=Step(row.step),
            input_shape=InputShape(row.input_shape),
            preset=row.preset,
        ),
        display_name=row.display_name,
        description=row.description,
        judge_prompt=row.judge_prompt,
        etag=row.etag,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def from_version(version: MetricVersion) -> Values:
    return {
        "metric": version.metric,
        "number": version.number,
        "description": version.description,
        "digest": version.digest,
        "files": [[file.path, file.sha256, file.size_bytes] for file in version.files],
        "formats": [[entry.format, entry.path] for entry in version.formats],
        "threshold": version.threshold,
        "max_tokens": version.max_tokens,
        "lineage": asdict(version.lineage),
        "report": version.report,
        "create_time": version.create_time,
        "delete_time": version.delete_time,
    }


def to_version(row: Row[Any], aliases: tuple[str, ...]) -> MetricVersion:
    return MetricVersion(
        metric=row.metric,
        number=row.number,
        description=row.description,
        digest=row.digest,
        files=tuple(BundleFile(*each) for each in row.files),
        formats=tuple(Format(*each) for each in row.formats),
        threshold=row.threshold,
        max_tokens=row.max_tokens,
        lineage=LineageRecord(**row.lineage),
        report=row.report,
        create_time=row.create_time,
        delete_time=row.delete_time,
        aliases=aliases,
    )


def from_alias(alias: Alias) -> Values:
    return {
        "metric": alias.name.metric,
        "alias": alias.name.alias,
        "number": alias.number,
        "protected": alias.protected,
        "etag": alias.etag,
        "update_time": alias.update_time,
    }


def to_alias(row: Row[Any]) -> Alias:
    name = AliasName(row.metric, row.alias)
    return Alias(name, row.number, row.protected, row.etag, row.update_time)


def from_change(change: Change) -> Values:
    return {
        "kind": change.kind.value,
        "metric": change.metric,
        "number": change.number,
        "alias": change.alias,
        "old_number": change.old_number,
        "create_time": change.create_time,
    }


def to_change(row: Row[Any]) -> Change:
    return Change(
        kind=ChangeKind(row.kind),
        metric=row.metric,
        number=row.number,
        create_time=row.create_time,
        alias=row.alias,
        old_number=row.old_number,
        id=row.id,
    )
