"""What several tables share: replayed requests, leases, and JSON columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, insert, select, update

from gnomon.instances import InputShape, OutputType, Step
from gnomon_trainer.adapters.tables import requests
from gnomon_trainer.domain.datasets import Request, check_same_body
from gnomon_trainer.domain.feedback import FeedbackOrigin
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.runs import Progress, RunFailure, RunSpec
from gnomon_trainer.domain.service_objective import OnMiss, ServiceObjective
from gnomon_trainer.domain.training import MetricDefinition, Parameters, ReportOptions, Stage
from gnomon_trainer.domain.work_progress import WorkProgress


def find_request(connection: Connection, request: Request) -> Any:
    """Return the stored answer of a request, None if it is new; RequestIdReusedError for another body."""
    row = connection.execute(select(requests).where(requests.c.request_id == request.request_id)).first()
    if row is None:
        return None
    check_same_body(request, row.body)
    return row.answer


def keep_request(connection: Connection, request: Request, answer: Any, now: float) -> None:
    connection.execute(
        insert(requests).values(
            request_id=request.request_id, body=request.body, answer=answer, create_time=now
        )
    )


def life_signs(connection: Connection, table: Table, leased: ColumnElement[bool]) -> list[LifeSign]:
    """Return what the rows of a table show that somebody holds."""
    query = select(table.c.uid, table.c.fence, table.c.revision).where(leased)
    return [LifeSign(row.uid, row.fence, row.revision) for row in connection.execute(query)]


def expire(connection: Connection, table: Table, sign: LifeSign) -> bool:
    """Expire a lease whose row has not changed since a sign; return whether it was so."""
    unchanged = (table.c.uid == sign.uid, table.c.fence == sign.fence, table.c.revision == sign.revision)
    return connection.execute(update(table).where(*unchanged).values(lease_expired=True)).rowcount > 0


def finding_from(raw: Mapping[str, Any]) -> Finding:
    matches = tuple(raw.get("matches", ()))  # findings of earlier releases have none
    return Finding(raw["code"], raw["message"], tuple(raw["rows"]), raw["row_count"], matches)


def spec_to(spec: RunSpec) -> dict[str, Any]:
    return asdict(spec)


def spec_from(raw: Mapping[str, Any]) -> RunSpec:
    metric = raw["metric"]
    return RunSpec(
        **{
            **raw,
            "metric": MetricDefinition(
                name=metric["name"],
                output_type=OutputType(metric["output_type"]),
                step=Step(metric["step"]),
                input_shape=InputShape(metric["input_shape"]),
                classes=tuple(metric["classes"]),
                flagged_classes=tuple(metric["flagged_classes"]),
            ),
            "parameters": Parameters(**raw["parameters"]),
            "findings": tuple(map(finding_from, raw["findings"])),
            "warnings": tuple(raw["warnings"]),
            "left_out": _numbers(raw.get("left_out")),
            "test_left_out": tuple(raw.get("test_left_out", ())),
            "service_objective": _objective_from(raw.get("service_objective")),
            "report_options": _report_options_from(raw.get("report_options", {})),
            "feedback_origin": _origin_from(raw.get("feedback_origin")),
        }
    )


def _numbers(raw: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if raw is None else tuple(raw)


def _objective_from(raw: Mapping[str, Any] | None) -> ServiceObjective | None:
    return ServiceObjective(**{**raw, "on_miss": OnMiss(raw["on_miss"])}) if raw else None


def _origin_from(raw: Mapping[str, Any] | None) -> FeedbackOrigin | None:
    return FeedbackOrigin(**raw) if raw else None


def _report_options_from(raw: Mapping[str, Any]) -> ReportOptions:
    return ReportOptions(tuple(raw.get("slice_columns", ())), raw.get("judge_column", ""))


def progress_from(raw: Mapping[str, Any]) -> Progress:
    work = raw.get("work")  # runs of earlier releases have none
    stage = Stage(raw["stage"]) if raw["stage"] else None
    return Progress(**{**raw, "stage": stage, "work": WorkProgress(**work) if work else None})


def failure_from(raw: Mapping[str, Any] | None) -> RunFailure | None:
    return RunFailure(**raw) if raw else None
