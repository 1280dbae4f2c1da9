"""What is asked for with a run, and how far one is, seen from outside. Pure."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon import shorthand
from gnomon._requests import service_objective_message, training_parameters
from gnomon.errors import CancelledError, GnomonError, TrainingFailedError
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as pb


def wanted_run(
    parameters: Mapping[str, Any],
    *,
    metric: str,
    test_set: str,
    training_set: str = "",
    labelling: str = "",
    generation: str = "",
    recipe: str = "small",
    display_name: str = "",
    allow_small: bool = False,
    slice_columns: Sequence[str] = (),
    judge_column: str = "",
    service_objective: Mapping[str, Any] | pb.ServiceObjective | None = None,
) -> pb.Run:
    """Return the run that a call asks for; empty texts stand for what is not given."""
    run = pb.Run(
        display_name=display_name,
        metric=shorthand.metric(metric),
        training_set=shorthand.dataset(training_set) if training_set else "",
        labelling=shorthand.labelling(labelling) if labelling else "",
        generation=shorthand.generation(generation) if generation else "",
        test_set=shorthand.dataset(test_set),
        recipe=shorthand.recipe(recipe),
        parameters=training_parameters(parameters),
        allow_small=allow_small,
        service_objective=service_objective_message(service_objective),
    )
    if slice_columns or judge_column:
        run.report_options.CopyFrom(pb.ReportOptions(slice_columns=slice_columns, judge_column=judge_column))
    return run


RUN_OPTIONS = frozenset(inspect.signature(wanted_run).parameters) - {"parameters"}


def wanted_again(old: pb.Run) -> pb.Run:
    """Return a run that asks for what another did; its training set is not made again."""
    run = pb.Run(
        display_name=old.display_name,
        metric=old.metric,
        training_set=old.training_set,
        labelling="" if old.training_set else old.labelling,
        generation="" if old.training_set else old.generation,
        test_set=old.test_set,
        recipe=old.recipe,
        parameters=old.parameters,
        allow_small=old.allow_small,
        service_objective=old.service_objective if old.HasField("service_objective") else None,
    )
    if old.HasField("report_options"):
        run.report_options.CopyFrom(old.report_options)
    return run


def has_ended(run: pb.Run) -> bool:
    """Tell whether nothing more happens to a run unless someone asks for it."""
    if run.state == pb.Run.FINE_TUNED:
        return run.HasField("error")
    return run.state in (pb.Run.REGISTERED, pb.Run.FAILED, pb.Run.CANCELLED)


def error_of(run: pb.Run) -> GnomonError | None:
    """Return why a run ended without a version; None if it has one or goes on."""
    if not has_ended(run) or run.state == pb.Run.REGISTERED:
        return None
    if run.HasField("error"):
        return from_status(run.error)
    if run.state == pb.Run.CANCELLED:
        return CancelledError(f"The run {run.name} was cancelled. It can be resumed.", resource=run.name)
    return TrainingFailedError(f"The run {run.name} failed.", resource=run.name)
