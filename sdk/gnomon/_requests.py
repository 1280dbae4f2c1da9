"""From what a user gives to messages. Pure; both clients build their requests here."""

import uuid
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from google.protobuf import field_mask_pb2

from gnomon.errors import InvalidRequestError, Violation
from gnomon.instances import InputShape, OutputType, Step
from gnomon.v1 import resources_pb2 as pb

_CALLER_CHARACTERS = 100

LabelClass = str | Mapping[str, Any] | pb.Metric.LabelClass


def new_request_id() -> str:
    """Return the ID that all attempts of one create share."""
    return str(uuid.uuid4())


def one_or_several(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def field_mask(fields: Iterable[str]) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=list(fields))


def metric_message(
    *,
    output_type: str | OutputType,
    step: str | Step,
    input_shape: str | InputShape,
    classes: Iterable[LabelClass],
    display_name: str,
    description: str,
    judge_prompt: str,
    preset: str,
) -> pb.Metric:
    return pb.Metric(
        output_type=_member(OutputType, output_type, "output_type").name,
        step=_member(Step, step, "step").name,
        input_shape=_member(InputShape, input_shape, "input_shape").name,
        classes=[_label_class(entry) for entry in classes],
        display_name=display_name,
        description=description,
        judge_prompt=judge_prompt,
        preset=preset,
    )


def _label_class(entry: LabelClass) -> pb.Metric.LabelClass:
    if isinstance(entry, pb.Metric.LabelClass):
        return entry
    if isinstance(entry, str):
        return pb.Metric.LabelClass(label=entry)
    try:
        return pb.Metric.LabelClass(**entry)
    except (TypeError, ValueError) as error:
        raise refused("classes", "must be labels, or mappings of label, rubric and flagged") from error


def _member(cls: type[Enum], value: Any, field: str) -> Enum:
    """Return the member that a user's word names, in either case."""
    try:
        return cls(str(value).lower())
    except ValueError:
        choices = ", ".join(str(member.value) for member in cls)
        raise refused(field, f"is {str(value)[:80]!r}; it must be one of: {choices}") from None


def training_parameters(parameters: Mapping[str, Any]) -> pb.TrainingParameters:
    known = [field.name for field in pb.TrainingParameters.DESCRIPTOR.fields]
    for key in parameters:
        if key not in known:
            raise refused(f"parameters.{key}", f"is not known; there are: {', '.join(known)}")
    message = pb.TrainingParameters()
    for key, value in parameters.items():
        if value is not None:
            try:
                setattr(message, key, value)
            except (TypeError, ValueError) as error:
                raise refused(f"parameters.{key}", f"cannot be {value!r}: {error}") from error
    return message


def service_objective_message(
    objective: Mapping[str, Any] | pb.ServiceObjective | None,
) -> pb.ServiceObjective | None:
    """Return the message of a load to carry; `on_miss` is `warn` or `refuse`."""
    if objective is None or isinstance(objective, pb.ServiceObjective):
        return objective
    given = {key: value for key, value in objective.items() if value is not None}
    if "on_miss" in given:
        word = str(given["on_miss"]).upper()
        if word not in {"WARN", "REFUSE"}:
            raise refused("service_objective.on_miss", f"is {given['on_miss']!r}; it must be warn or refuse")
        given["on_miss"] = word
    try:
        return pb.ServiceObjective(**given)
    except (TypeError, ValueError) as error:
        raise refused("service_objective", f"cannot be read: {error}") from error


def scorer_metadata(caller: str | None, evaluation_events: bool | None) -> list[tuple[str, str]]:
    """Return what a scorer is told with every call."""
    if evaluation_events is None:
        return caller_metadata(caller)
    return [*caller_metadata(caller), ("x-gnomon-evaluation-events", "on" if evaluation_events else "off")]


def caller_metadata(caller: str | None) -> list[tuple[str, str]]:
    """Return what tells a scorer which application calls."""
    if caller is None:
        return []
    if not (0 < len(caller) <= _CALLER_CHARACTERS and caller.isascii() and caller.isprintable()):
        raise refused("caller", f"must be 1 to {_CALLER_CHARACTERS} printable ASCII characters")
    return [("x-gnomon-caller", caller.strip())]


def refused(field: str, rule: str) -> InvalidRequestError:
    """Return the error for an argument that no service needs to see to refuse."""
    return InvalidRequestError(f"{field} {rule}.", violations=[Violation(field, rule)])
