"""What a user asks for with a run, and what can be said of it without reading a row. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import DatasetName, MetricName, ProjectName, RecipeName
from gnomon_trainer.domain.datasets import Dataset
from gnomon_trainer.domain.feedback import FeedbackOrigin
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.service_objective import ServiceObjective
from gnomon_trainer.domain.training import ReportOptions


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What a user asks for, with its names parsed. `run` is empty if the server is to choose.

    `training_set` is None where it is yet to be made: by the work that `made_by`
    names, or, where a run is only validated, by nobody knows whom.
    """

    project: ProjectName
    run: str
    metric: MetricName
    training_set: DatasetName | None
    test_set: DatasetName
    recipe: RecipeName
    parameters: Mapping[str, Any]
    allow_small: bool = False
    display_name: str = ""
    service_objective: ServiceObjective | None = None
    report_options: ReportOptions = field(default_factory=ReportOptions)
    feedback_origin: FeedbackOrigin | None = None
    made_by: str = ""  # labellings/{labelling} or generations/{generation}


def order_of(run: Run, training_set: DatasetName) -> RunOrder:
    """Return what the user of a run asked for who has waited for its training set."""
    spec = run.spec
    return RunOrder(
        project=ProjectName(run.project),
        run=run.run,
        metric=MetricName.parse(spec.metric.name),
        training_set=training_set,
        test_set=DatasetName.parse(spec.test_set),
        recipe=RecipeName.parse(spec.recipe),
        parameters=spec.requested,
        allow_small=spec.allow_small,
        display_name=run.display_name,
        service_objective=spec.service_objective,
        report_options=spec.report_options,
        feedback_origin=spec.feedback_origin,
        made_by=spec.made_by,
    )


def check_report_options(options: ReportOptions, test: Dataset) -> ReportOptions:
    """Return the options, or raise InvalidRequestError naming the columns that the test set lacks."""
    named = {f"slice_columns[{n}]": column for n, column in enumerate(options.slice_columns)}
    if options.judge_column:
        named["judge_column"] = options.judge_column
    absent = {field: column for field, column in named.items() if column not in test.extra_columns}
    if absent:
        known = ", ".join(map(repr, test.extra_columns)) or "none"
        rule = f"must be an extra column of {test.name}: it has {known}"
        raise InvalidRequestError(
            f"{test.name} has no extra column {next(iter(absent.values()))[:40]!r}; it has {known}.",
            violations=[Violation(f"run.report_options.{field}", rule) for field in absent],
        )
    return options
