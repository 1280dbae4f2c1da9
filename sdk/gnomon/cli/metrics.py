"""`gnomon metrics`: the properties that are scored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf import json_format

from gnomon.cli import presets, view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError
from gnomon.text_files import parsed
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(name="metrics", help="Metrics are the properties that are scored.", no_args_is_help=True)
app.add_typer(presets.app)

Metric = Annotated[str, typer.Argument(help="The metric: its ID, or metrics/{metric}.")]
DisplayName = Annotated[str | None, typer.Option(help="A name for people, at most 63 characters.")]
Description = Annotated[str | None, typer.Option(help="What it measures and how to read its score.")]
JudgePrompt = Annotated[str | None, typer.Option(help="How a judge is asked for the label.")]


def _one_of(enum: Any) -> str:
    return ", ".join(name.lower() for name in enum.keys() if not name.endswith("UNSPECIFIED"))  # noqa: SIM118


_ENUMS = {
    "output_type": pb.Metric.OutputType,
    "step": pb.Metric.Step,
    "input_shape": pb.Metric.InputShape,
}
OutputType = Annotated[str | None, typer.Option(help=f"What a score says: {_one_of(pb.Metric.OutputType)}.")]
Step = Annotated[str | None, typer.Option(help=f"Where it applies: {_one_of(pb.Metric.Step)}.")]
InputShape = Annotated[str | None, typer.Option(help=f"What is read: {_one_of(pb.Metric.InputShape)}.")]
Classes = Annotated[
    list[str] | None, typer.Option("--class", metavar="LABEL[=RUBRIC]", help="A possible answer; repeat it.")
]
Flags = Annotated[
    list[str] | None,
    typer.Option("--flag", metavar="LABEL", help="A class that is a finding; repeat it. Boolean: true is."),
]
File = Annotated[
    Path | None, typer.Option(help="A JSON file with the fields of a metric; options win over it.")
]

_COLUMNS: Columns[pb.Metric] = {
    "metric": lambda metric: view.short(metric.name),
    "display name": lambda metric: metric.display_name,
    "output type": lambda metric: pb.Metric.OutputType.Name(metric.output_type),
    "step": lambda metric: pb.Metric.Step.Name(metric.step),
    "input shape": lambda metric: pb.Metric.InputShape.Name(metric.input_shape),
    "classes": lambda metric: ", ".join(entry.label for entry in metric.classes),
}


@app.command("create")
@command
def create(
    session: Session,
    *,
    metric_id: Annotated[
        str, typer.Argument(help="The new metric's ID: lower-case letters, digits, hyphens.")
    ],
    output_type: OutputType = None,
    input_shape: InputShape = None,
    step: Step = None,
    classes: Classes = None,
    flags: Flags = None,
    display_name: DisplayName = None,
    description: Description = None,
    judge_prompt: JudgePrompt = None,
    file: File = None,
) -> None:
    """Create a metric, from options, from a JSON file, or from both.

    Example: gnomon metrics create tone --output-type categorical --input-shape output
    --class "calm=Even, factual." --class "angry=Accuses or shouts." --flag angry
    """
    definition = read_definition(file) if file else pb.Metric(step=pb.Metric.LLM_SPAN)
    _set_enum(definition, "output_type", pb.Metric.OutputType, output_type)
    _set_enum(definition, "input_shape", pb.Metric.InputShape, input_shape)
    _set_enum(definition, "step", pb.Metric.Step, step)
    if classes or flags:
        _set_classes(definition, classes or [], flags or [])
    texts = {"display_name": display_name, "description": description, "judge_prompt": judge_prompt}
    for key, value in texts.items():
        if value is not None:
            setattr(definition, key, value)
    for key in ("output_type", "input_shape"):
        if not getattr(definition, key):
            raise typer.BadParameter(
                f"say the metric's --{key.replace('_', '-')}, or give a --file that has it"
            )
    metric = create_from(session, metric_id, definition)
    session.output.done(metric, f"Created {metric.name}.")


def create_from(session: Session, metric_id: str, definition: pb.Metric) -> pb.Metric:
    """Create a metric as a message defines it."""
    return session.client.metrics.create(
        metric_id,
        output_type=pb.Metric.OutputType.Name(definition.output_type),
        step=pb.Metric.Step.Name(definition.step),
        input_shape=pb.Metric.InputShape.Name(definition.input_shape),
        classes=list(definition.classes),
        display_name=definition.display_name,
        description=definition.description,
        judge_prompt=definition.judge_prompt,
        preset=definition.preset,
    )


def read_definition(path: Path) -> pb.Metric:
    """Read a metric from a JSON file; enum values may be lower-case."""
    try:
        raw = parsed(path.read_text(encoding="utf-8"))
        return definition_of(raw)
    except (ValueError, json_format.ParseError) as error:
        raise InvalidRequestError(f"{path} does not define a metric: {error}") from error


def definition_of(raw: Any) -> pb.Metric:
    """Return the message of a metric's JSON object."""
    if not isinstance(raw, dict):
        raise ValueError("it is not a JSON object")
    enums = {key: raw[key].upper() for key in _ENUMS if isinstance(raw.get(key), str)}
    metric = json_format.ParseDict({"step": "LLM_SPAN"} | raw | enums, pb.Metric())
    for key, enum in _ENUMS.items():
        if getattr(metric, key) not in enum.values():  # any number passes for an enum's in JSON
            raise ValueError(f"{key} is {getattr(metric, key)}; it must be one of: {_one_of(enum)}")
    return metric


def _set_enum(metric: pb.Metric, field: str, enum: Any, value: str | None) -> None:
    if value is None:
        return
    name = value.upper().replace("-", "_")
    if name not in enum.keys() or name.endswith("UNSPECIFIED"):  # noqa: SIM118
        raise typer.BadParameter(
            f"--{field.replace('_', '-')} is {value!r}; it must be one of: {_one_of(enum)}"
        )
    setattr(metric, field, enum.Value(name))


def _set_classes(metric: pb.Metric, classes: Sequence[str], flags: Sequence[str]) -> None:
    if classes:
        del metric.classes[:]
    for entry in classes:
        label, _, rubric = entry.partition("=")
        metric.classes.add(label=label.strip(), rubric=rubric.strip())
    known = {entry.label: entry for entry in metric.classes}
    for label in flags:
        if label not in known:
            declared = ", ".join(known) or "none"
            raise typer.BadParameter(f"--flag {label!r} is no class of the metric; declared are: {declared}")
        known[label].flagged = True


@app.command("get")
@command
def get(session: Session, *, metric: Metric) -> None:
    """Show a metric."""
    session.output.show(session.client.metrics.get(metric), view.details)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List metrics."""
    nothing = "There are no metrics yet. Make one: gnomon metrics create --help, or: gnomon metrics presets"
    session.output.show_list(session.client.metrics.list(), _COLUMNS, nothing)


@app.command("update")
@command
def update(
    session: Session,
    *,
    metric: Metric,
    display_name: DisplayName = None,
    description: Description = None,
    judge_prompt: JudgePrompt = None,
) -> None:
    """Change the display name, the description or the judge prompt."""
    changes = {"display_name": display_name, "description": description, "judge_prompt": judge_prompt}
    fields = tuple(key for key, value in changes.items() if value is not None)
    if not fields:
        raise typer.BadParameter("name what to change: --display-name, --description, --judge-prompt")
    found = session.client.metrics.get(metric)
    for key in fields:
        setattr(found, key, changes[key])
    updated = session.client.metrics.update(found, fields=fields)
    session.output.done(updated, f"Updated {updated.name}.")


@app.command("delete")
@command
def delete(session: Session, *, metric: Metric) -> None:
    """Delete a metric that has no versions."""
    session.client.metrics.delete(metric)
    session.output.done({"deleted": metric}, f"Deleted {metric}.")
