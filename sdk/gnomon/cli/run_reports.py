"""`gnomon runs report` and `gnomon runs compare`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import report_page
from gnomon.cli import report, view
from gnomon.cli.output import Columns, table
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError, RunStateError
from gnomon.report_page.parts import p_value
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb

Run = Annotated[str, typer.Argument(help="The run: projects/{project}/runs/{run} or {project}/{run}.")]
Page = Annotated[
    Path | None,
    typer.Option("--html", help="Write it as one HTML page that needs no network.", dir_okay=False),
]

_SHOWN = 20
_KINDS_SHOWN = 8
_LONGEST_TEXT = 2_000  # characters


@command
def show(
    session: Session,
    *,
    run: Run,
    html: Page = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Put the texts of the worst rows into the page.")
    ] = False,
) -> None:
    """Show how well a run's evaluator did on its test set."""
    if texts and html is None:
        raise InvalidRequestError("--texts says what a page shows; give it a file with --html.")
    found = session.client.runs.get(run)
    if not found.HasField("report"):
        raise RunStateError(
            f"{found.name} is {view.state(found)} and has no report yet. Follow it: "
            f"gnomon runs watch {found.name}",
            resource=found.name,
            state=view.state(found),
        )
    if html is None:
        session.output.show(found.report, report.rendered)
        return
    facts = [f"{found.metric} · training set {found.training_set} · test set {found.test_set}", found.recipe]
    shown = _texts(session, found) if texts else None
    write_page(session, html, found.name, report_page.render(found.report, found.name, facts, shown))


def write_page(session: Session, file: Path, name: str, page: str) -> None:
    """Write a page, whole or not at all, and say so."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    session.output.done({"report": name, "file": str(file)}, f"Wrote the report of {name} to {file}.")


def _texts(session: Session, run: pb.Run) -> dict[int, str]:
    wanted = {entry.row for entry in run.report.worst_rows}
    if not wanted:
        return {}
    predictions = session.client.runs.predictions(run.name)
    return {
        entry.row: view.whole_text(entry.instance)[:_LONGEST_TEXT]
        for entry in predictions
        if entry.row in wanted
    }


@command
def compare(session: Session, *, first: Run, second: Run) -> None:
    """Compare two runs row by row on the test set that both were measured on."""
    session.output.show(session.client.runs.compare(first, second), _compared)


def _compared(found: trainer_pb.CompareRunsResponse) -> RenderableType:
    pair = found.comparison
    parts: list[RenderableType] = [
        Text(f"A  {found.first_run}\nB  {found.second_run}\non {pair.rows} rows of {found.test_set}"),
        table(found.measures, _MEASURES, "A less B, with the 95 % interval of a paired bootstrap"),
        Text(
            f"Right on what the other gets wrong: A {pair.only_first_right} rows, B {pair.only_second_right} "
            f"(McNemar's exact test: p {p_value(pair.mcnemar_p)})."
        ),
    ]
    if found.error_kinds:
        shown_kinds = found.error_kinds[:_KINDS_SHOWN]
        parts.append(table(shown_kinds, _ERROR_KINDS, "What is taken for what"))
    if found.slices:
        parts.append(table(found.slices, _SLICES, "Where their accuracy differs most"))
    if found.flipped_rows:
        shown = found.flipped_rows[:_SHOWN]
        title = f"Rows labelled differently: {found.flipped_row_count}, the first {len(shown)} by probability"
        parts.append(table(shown, _FLIPPED, title))
    return Group(*parts)


def _difference(pair: trainer_pb.MeasurePair) -> Text:
    found = pair.difference
    sure = found.low > 0 or found.high < 0
    text = f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
    return Text(text, style="bold" if sure else "")


_MEASURES: Columns[trainer_pb.MeasurePair] = {
    "measure": lambda pair: pair.key,
    "A": lambda pair: f"{pair.first:.3f}",
    "B": lambda pair: f"{pair.second:.3f}",
    "difference": _difference,
    "": lambda pair: "" if pair.difference.low > 0 or pair.difference.high < 0 else "may be chance",
}
_ERROR_KINDS: Columns[trainer_pb.ErrorKind] = {
    "label": lambda kind: kind.true_label,
    "taken for": lambda kind: kind.label,
    "of rows": lambda kind: kind.rows,
    "A": lambda kind: kind.first,
    "B": lambda kind: kind.second,
    "p": lambda kind: p_value(kind.mcnemar_p),
}
_SLICES: Columns[trainer_pb.SlicePair] = {
    "part": lambda part: f"{part.key.removeprefix('column:')}: {part.value}",
    "rows": lambda part: part.rows,
    "A": lambda part: f"{part.accuracy.first:.3f}",
    "B": lambda part: f"{part.accuracy.second:.3f}",
    "difference": lambda part: _difference(part.accuracy),
    "": lambda part: "few rows" if part.few_rows else "",
}
_FLIPPED: Columns[trainer_pb.FlippedRow] = {
    "row": lambda row: row.row,
    "people": lambda row: row.true_label,
    "A": lambda row: f"{row.first_label} ({row.first_true_probability:.3f})",
    "B": lambda row: f"{row.second_label} ({row.second_true_probability:.3f})",
}
