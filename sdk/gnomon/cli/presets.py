"""`gnomon metrics presets`: metrics that are defined already."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from gnomon.cli.output import Columns, grid, to_plain
from gnomon.cli.session import Session, command, local_command
from gnomon.errors import AlreadyExistsError, Violation
from gnomon.presets import Installed, Preset, PresetClass, PresetExample, list_presets, load
from gnomon.presets.reading import parts

app = typer.Typer(
    name="presets",
    help="Presets are metrics that are defined already: classes, rubrics, judge prompt and examples.",
    no_args_is_help=True,
)

_COLUMNS: Columns[Preset] = {
    "preset": lambda preset: preset.id,
    "edition": lambda preset: preset.edition.edition,
    "step": lambda preset: preset.step.name,
    "reads": lambda preset: preset.input_shape.name,
    "classes": lambda preset: ", ".join(_marked(c) for c in preset.classes),
    "needs": lambda preset: " ".join(_needs(preset)),
}


def _marked(entry: PresetClass) -> str:
    return f"{entry.label} (flagged)" if entry.flagged else entry.label


@app.command("list")
@local_command
def list_(session: Session) -> None:
    """List the presets of this release."""
    found = list_presets()
    if session.output.as_json:
        session.output.json([_plain(preset) for preset in found])
    else:
        session.output.show_list(found, _COLUMNS, "This installation has no presets.")


@app.command("show")
@local_command
def show(session: Session, *, preset: Annotated[str, typer.Argument(help="The preset's ID.")]) -> None:
    """Show a preset whole: description, rubrics, judge prompt and labelled examples.

    With --json, `metric` is what `gnomon metrics create --file` takes, to begin a metric of
    your own with, and `examples` are rows as `gnomon datasets upload` takes them.
    """
    session.output.show(
        _plain(chosen := load(preset)) | {"examples": [example.row() for example in chosen.examples]},
        lambda _: _details(chosen),
    )


def _plain(preset: Preset) -> dict[str, Any]:
    return {
        "preset": preset.id,
        "edition": preset.edition.edition,
        "parameters": {parameter.name: parameter.description for parameter in preset.parameters},
        "metric": preset.definition(),
    }


def _details(preset: Preset) -> RenderableType:
    facts = [
        ("preset", str(preset.edition)),
        ("output type", preset.output_type.name),
        ("step", preset.step.name),
        ("reads", preset.input_shape.name),
        *((f"--set {parameter.name}", parameter.description) for parameter in preset.parameters),
    ]
    return Group(
        Text(preset.display_name, style="bold"),
        Text(preset.description),
        Text(),
        grid(facts),
        *_section("Classes", [grid([(_marked(c), c.rubric) for c in preset.classes])]),
        *_section("Judge prompt", [Text(preset.judge_prompt)]),
        *_section("Examples", [_example(preset, example) for example in preset.examples]),
    )


def _section(title: str, entries: Iterable[RenderableType]) -> Iterable[RenderableType]:
    return [Text(f"\n{title}", style="bold"), *(Padding(entry, (0, 0, 0, 2)) for entry in entries)]


def _example(preset: Preset, example: PresetExample) -> RenderableType:
    lines = [("label", example.label), *parts(preset, example), ("reason", example.reason)]
    return Padding(grid(lines), (0, 0, 1, 0))


@app.command("install")
@command
def install(
    session: Session,
    *,
    presets: Annotated[list[str] | None, typer.Argument(metavar="PRESET", help="Which; or --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Install every preset.")] = False,
    metric_id: Annotated[
        str | None, typer.Option("--as", metavar="METRIC", help="What to call the metric.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="What a preset's parameter stands for; repeat it."),
    ] = None,
) -> None:
    """Create metrics from presets. What is there already is told and left as it is.

    With --all, presets that need a value you did not --set are left out, and named.

    Example: gnomon metrics presets install toxicity-output refusal
    """
    given = _values(values or ())
    chosen, left_out = _chosen(presets or [], every, given)
    if metric_id and len(chosen) != 1:
        raise typer.BadParameter("--as names one metric: give one preset with it")
    unknown = set(given) - {parameter.name for preset in chosen for parameter in preset.parameters}
    if unknown:
        raise typer.BadParameter(f"--set {min(unknown)}: none of the chosen presets has such a parameter")
    answers = _install(session, chosen, metric_id, given)
    session.output.show(
        [*map(_answer, answers), *map(_left_out, left_out)],
        lambda _: Text("\n".join([*map(str, answers), *map(_left_out_sentence, left_out)])),
    )


def _values(assignments: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (equals and value.strip()):
            raise typer.BadParameter(f"--set {assignment!r} must read NAME=VALUE")
        values[name] = value
    return values


def _chosen(ids: Sequence[str], every: bool, values: Mapping[str, str]) -> tuple[list[Preset], list[Preset]]:
    """Return the presets to install, and those that `--all` cannot."""
    if every == bool(ids):
        raise typer.BadParameter("name presets, or give --all; `gnomon metrics presets list` shows them")
    if not every:
        return [load(preset) for preset in dict.fromkeys(ids)], []
    found = list_presets()
    lacking = [p for p in found if any(parameter.name not in values for parameter in p.parameters)]
    return [preset for preset in found if preset not in lacking], lacking


def _install(
    session: Session, presets: Sequence[Preset], metric_id: str | None, values: Mapping[str, str]
) -> list[Installed]:
    """Install all that can be, then raise what was refused, if anything was."""
    own = [{p.name: values[p.name] for p in preset.parameters if p.name in values} for preset in presets]
    for preset, of_preset in zip(presets, own, strict=True):
        preset.metric(of_preset)  # nothing is installed if one lacks its value
    answers: list[Installed] = []
    refused: list[AlreadyExistsError] = []
    for preset, of_preset in zip(presets, own, strict=True):
        try:
            answers.append(session.client.metrics.install_preset(preset.id, metric_id, values=of_preset))
        except AlreadyExistsError as error:
            if len(presets) == 1:
                raise
            refused.append(error)
    if refused:
        for answer in answers:
            session.output.note(str(answer))
        raise _several(refused, answers)
    return answers


def _several(refused: Sequence[AlreadyExistsError], answers: Sequence[Installed]) -> AlreadyExistsError:
    names = [error.metadata["resource"] for error in refused]
    return AlreadyExistsError(
        f"{len(refused)} of {len(refused) + len(answers)} presets were not installed, because there are "
        f"other metrics of their names: {', '.join(names)}. All others are.",
        violations=[Violation(error.metadata["resource"], error.message) for error in refused],
        resource=",".join(names),
        installed=",".join(answer.metric.name for answer in answers),
    )


def _answer(installed: Installed) -> dict[str, Any]:
    return {
        "preset": str(installed.preset),
        "outcome": str(installed.outcome),
        "edited": list(installed.edited),
        "needs": [],
        "metric": to_plain(installed.metric),
    }


def _left_out(preset: Preset) -> dict[str, Any]:
    return {
        "preset": str(preset.edition),
        "outcome": "left_out",
        "edited": [],
        "needs": [parameter.name for parameter in preset.parameters],
        "metric": None,
    }


def _left_out_sentence(preset: Preset) -> str:
    return f"Left out {preset.id}: it needs {' '.join(_needs(preset))}."


def _needs(preset: Preset) -> list[str]:
    return [f"--set {parameter.name}=…" for parameter in preset.parameters]
