"""`gnomon feedback`: what people say of scores, and the next version that learns from it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon._scoring import one_instance
from gnomon.cli import feedback_files, problems, view, watching
from gnomon.cli.datasets import Mapping, parse_columns
from gnomon.cli.output import Columns, table
from gnomon.cli.score import read_instance
from gnomon.cli.session import Session, command
from gnomon.errors import GnomonError, InvalidRequestError
from gnomon.feedback_comparison import ErrorKind, FeedbackComparison
from gnomon.report_page.parts import p_value
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(
    name="feedback",
    help="Feedback is what people say of scores; versions learn from it.",
    no_args_is_help=True,
)

Metric = Annotated[str, typer.Argument(help="The metric: its ID, or metrics/{metric}.")]
Run = Annotated[str, typer.Argument(help="The run: projects/{project}/runs/{run} or {project}/{run}.")]
Promote = Annotated[
    str | None,
    typer.Option(help="Point this alias at the new version, if that is shown to be better; else fail."),
]
AllowProtected = Annotated[
    bool, typer.Option("--allow-protected", help="Move the alias although it is protected.")
]

_KINDS_SHOWN = 8

_COLUMNS: Columns[pb.Feedback] = {
    "version": lambda said: view.short(said.metric_version),
    "instance": lambda said: view.instance(said.instance),
    "score": lambda said: said.score_label,
    "right": lambda said: said.label,
    "who": lambda said: said.reviewer,
    "when": lambda said: view.time(said.review_time),
    "held out": lambda said: "yes" if said.held_out else "",
}
_KINDS: Columns[ErrorKind] = {
    "label": lambda kind: kind.true_label,
    "taken for": lambda kind: kind.label,
    "of rows": lambda kind: kind.rows,
    "old": lambda kind: kind.old,
    "new": lambda kind: kind.new,
    "p": lambda kind: p_value(kind.mcnemar_p),
}


@app.command("record")
@command
def record(
    session: Session,
    *,
    version: Annotated[
        str, typer.Argument(help="What scored: commitment@3, or commitment for its alias production.")
    ],
    label: Annotated[str, typer.Option(help="The right label; the score's own to confirm it.")],
    input_text: Annotated[str | None, typer.Option("--input", help="What went in.")] = None,
    output_text: Annotated[str | None, typer.Option("--output", help="What came out.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="A document of the context; repeat it.")] = None,
    instance: Annotated[
        Path | None, typer.Option(help="A JSON file with a span, a trace, a session or a chat's messages.")
    ] = None,
    score_label: Annotated[str | None, typer.Option(help="The label that the score gave.")] = None,
    score_probability: Annotated[float | None, typer.Option(help="The probability that it gave.")] = None,
    reviewer: Annotated[str, typer.Option(help="Who says so.")] = "",
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    external_id: Annotated[str, typer.Option("--id", help="Your own ID of it: it is stored once.")] = "",
) -> None:
    """Record what would have been right, or that a score was."""
    given = read_instance(instance) if instance else None
    said = session.client.feedback.record(
        version,
        one_instance(given, input_text, output_text, document or ()),
        label=label,
        score_label=score_label,
        score_probability=score_probability,
        reviewer=reviewer,
        comment=comment,
        external_id=external_id,
    )
    session.output.done(said, f"Recorded {said.label} for {said.metric_version} as {said.name}.")


@app.command("list")
@command
def list_(session: Session, *, metric: Metric) -> None:
    """List the feedback on a metric, newest first, every word that was said."""
    nothing = "There is no feedback yet. Record some: gnomon feedback record --help"
    session.output.show_list(session.client.feedback.list(metric), _COLUMNS, nothing)


@app.command("import")
@command
def import_(
    session: Session,
    *,
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON Lines (also .gz) or Parquet.", exists=True, dir_okay=False)
    ],
    version: Annotated[
        str, typer.Argument(help="What scored, where the file does not tell: commitment or commitment@3.")
    ],
    column: Mapping = None,
) -> None:
    """Record the rows of a file that have a label.

    Read are label, score_label, score_probability, metric_version, reviewer, comment and id beside
    what was scored; a file that `gnomon score-file` wrote tells the score itself. Exit status 1 if
    a row could not be recorded, or none has a label.
    """
    metric = session.client.metrics.get(version.partition("@")[0].partition("/versions/")[0])
    read = feedback_files.read(file, parse_columns(column), metric, version)
    recorded, failed = 0, []
    for places, batch in feedback_files.batches(read):
        outcomes = session.client.feedback.record_many([e for e in batch if isinstance(e, pb.Feedback)])
        stored = iter(outcomes)
        for place, given in zip(places, batch, strict=True):
            outcome = given if isinstance(given, GnomonError) else next(stored)
            if isinstance(outcome, GnomonError):
                failed.append((place, outcome.message))
            else:
                recorded += 1
    if not recorded and not failed:
        raise InvalidRequestError(
            f"{file} has no row with a label, so nothing was recorded. Write what is right into a column "
            "`label`, or say which column tells it: --column FILECOL=label."
        )
    answer = {"recorded": recorded, "failed": [{"place": p, "error": message} for p, message in failed]}
    session.output.show(answer, lambda _: _imported(recorded, failed))
    if failed:
        raise typer.Exit(problems.FAILED)


def _imported(recorded: int, failed: list[tuple[str, str]]) -> RenderableType:
    lines = [Text(f"Recorded {recorded} rows.")]
    if failed:
        lines.append(Text(f"{len(failed)} rows could not be recorded:"))
        lines += [Text(f"  {place}: {message}") for place, message in failed[:20]]
    return Group(*lines)


@app.command("collect")
@command
def collect(
    session: Session,
    *,
    metric: Metric,
    dataset: Annotated[str, typer.Option(help="The dataset's ID; {metric}-feedback if not given.")] = "",
) -> None:
    """Make a dataset of the last word on every text."""
    made = session.client.feedback.collect(metric, dataset)
    session.output.done(made, f"Stored {made.name}@{made.version}: {made.row_count} rows.")


@app.command("train")
@command
def train(
    session: Session,
    *,
    metric: Metric,
    from_: Annotated[
        str, typer.Option("--from", help="The version to go on from: a number or an alias.")
    ] = "production",
    project: Annotated[
        str | None, typer.Option(help="Where to run; the project of that version's run if not given.")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="The run's ID; made by the server if not given.")] = None,
    promote: Promote = None,
    allow_protected: AllowProtected = False,
) -> None:
    """Train the next version with what people said since, and compare it with the last one.

    Both are compared on the same test set and on feedback that neither learned from. No alias is
    moved unless --promote names one.
    """
    operation = session.client.feedback.start(metric, version=from_, project=project, run_id=run_id)
    name = operation.run_name
    try:
        run = watching.watch(session.output, session.client, name)
    except KeyboardInterrupt:
        session.output.note(f"The run goes on. Once it has ended: gnomon feedback compare {name}")
        raise
    if run.state != pb.Run.REGISTERED:
        session.output.note(f"Go on with it: gnomon runs resume {name}, then gnomon feedback compare {name}")
        operation.result()
    session.output.note(
        f"{run.metric_version} is registered. To compare again: gnomon feedback compare {name}"
    )
    _compare(session, name, promote, allow_protected)


@app.command("compare")
@command
def compare(
    session: Session, *, run: Run, promote: Promote = None, allow_protected: AllowProtected = False
) -> None:
    """Compare the version of a run that learned from feedback with the one it went on from."""
    _compare(session, run, promote, allow_protected)


def _compare(session: Session, run: str, promote: str | None, allow_protected: bool) -> None:
    feedback = session.client.feedback
    if promote is None:
        found, moved = feedback.compare(run), None
    else:
        found = feedback.promote(run, promote, allow_protected=allow_protected)
        moved = f"{promote} is {found.new_version} now."
    plain = asdict(found) | {
        "verdict": found.verdict,
        "may_be_promoted": found.may_be_promoted,
        "sentences": found.sentences(),
        "promoted": promote or "",
    }
    session.output.show(plain, lambda _: _compared(found, moved))


def _compared(found: FeedbackComparison, moved: str | None) -> RenderableType:
    metric, number = found.new_version.split("/")[1::2]
    then = moved or f"No alias was moved. To use it: gnomon aliases set {metric} production {number}"
    shown = found.error_kinds[:_KINDS_SHOWN]
    kinds = [table(shown, _KINDS, "Errors on the test set, by kind")] if shown else []
    return Group(*map(Text, found.sentences()), *kinds, Text(then))
