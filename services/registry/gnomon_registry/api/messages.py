"""From the domain's entities to messages."""

from dataclasses import asdict
from datetime import datetime

from google.protobuf import timestamp_pb2

from gnomon.names import AliasName, MetricVersionName
from gnomon.v1 import resources_pb2 as pb
from gnomon_registry.domain.entities import Alias, Change, Metric, MetricVersion, Project


def timestamp(time: datetime | None) -> timestamp_pb2.Timestamp | None:
    if time is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time)
    return message


def project(entity: Project) -> pb.Project:
    return pb.Project(
        name=str(entity.name),
        display_name=entity.display_name,
        description=entity.description,
        etag=entity.etag,
        create_time=timestamp(entity.create_time),
        update_time=timestamp(entity.update_time),
    )


def metric(entity: Metric) -> pb.Metric:
    definition = entity.definition
    return pb.Metric(
        name=str(entity.name),
        display_name=entity.display_name,
        description=entity.description,
        output_type=definition.output_type.name,
        classes=[
            pb.Metric.LabelClass(label=c.label, rubric=c.rubric, flagged=c.flagged)
            for c in definition.classes
        ],
        step=definition.step.name,
        input_shape=definition.input_shape.name,
        preset=definition.preset,
        judge_prompt=entity.judge_prompt,
        etag=entity.etag,
        create_time=timestamp(entity.create_time),
        update_time=timestamp(entity.update_time),
    )


def version(entity: MetricVersion) -> pb.MetricVersion:
    files = [pb.BundleFile(path=f.path, sha256=f.sha256, size_bytes=f.size_bytes) for f in entity.files]
    return pb.MetricVersion(
        name=str(entity.name),
        description=entity.description,
        bundle=pb.Bundle(digest=entity.digest, files=files),
        artifacts=[pb.Artifact(format=entry.format, path=entry.path) for entry in entity.formats],
        threshold=entity.threshold,
        max_tokens=entity.max_tokens,
        lineage=pb.Lineage(**asdict(entity.lineage)),
        report=pb.EvaluationReport.FromString(entity.report) if entity.report else None,
        aliases=entity.aliases,
        create_time=timestamp(entity.create_time),
        delete_time=timestamp(entity.delete_time),
    )


def alias(entity: Alias) -> pb.Alias:
    return pb.Alias(
        name=str(entity.name),
        metric_version=str(entity.version),
        protected=entity.protected,
        etag=entity.etag,
        update_time=timestamp(entity.update_time),
    )


def alias_event(change: Change) -> pb.AliasEvent:
    return pb.AliasEvent(
        alias=alias_name(change.metric, change.alias),
        old_metric_version=version_name(change.metric, change.old_number),
        new_metric_version=version_name(change.metric, change.number),
        create_time=timestamp(change.create_time),
    )


def version_name(metric_id: str, number: int | None) -> str:
    return str(MetricVersionName(metric_id, number)) if number is not None else ""


def alias_name(metric_id: str, alias_id: str | None) -> str:
    return str(AliasName(metric_id, alias_id)) if alias_id is not None else ""
