"""`gnomon score-file`: all rows of a file, however many."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from gnomon.cli import bulk, problems, view
from gnomon.cli.bulk import StoppedError, Summary
from gnomon.cli.datasets import Mapping, parse_columns
from gnomon.cli.output import Output, table
from gnomon.cli.session import Session, command

_TOLD_EVERY_S = 0.1


@command
def score_file(
    session: Session,
    *,
    metrics: Annotated[
        list[str],
        typer.Argument(help="Metrics: commitment (its alias production), commitment@3, tone@shadow."),
    ],
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Rows as Parquet, CSV or JSON Lines; the last two also as .gz."),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Where to write them with their scores, in any of these.")
    ],
    column: Mapping = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what an earlier command scored, and begin anew.")
    ] = False,
) -> None:
    """Score every row of a file.

    Its columns are input, output, documents, messages, trace or session; all
    others are kept. Every metric adds its label, whether it is flagged, the
    probability of each class, its version, and why a row has no score.

    A command that was stopped, or killed, goes on where it was when it is given
    again, with the same versions; until the end its scores are in OUT.parts.
    Exit status 1 if not one row could be scored.
    """
    run(session, metrics, source, target, parse_columns(column), restart=restart)


def run(
    session: Session,
    metrics: list[str],
    source: Path,
    target: Path,
    columns: dict[str, str],
    *,
    restart: bool = False,
) -> None:
    """Score a file and print the summary; exit status 1 if there are rows and none could be scored."""
    try:
        with _shown(session.output, source) as progress:
            summary = bulk.score_file(
                session.client, metrics, source, target, columns=columns, restart=restart, progress=progress
            )
    except StoppedError as stopped:
        session.output.note(
            f"Stopped after {stopped.rows_done} rows. Give the same command again to go on from there. "
            f"They are kept in {target}.parts; remove it to forget them. "
            "If the file has to be changed, they can only be forgotten: begin anew with --restart."
        )
        raise stopped.reason from None
    session.output.show({**summary.as_dict(), "file": str(target)}, lambda _: _summary(summary, target))
    if summary.is_failed:
        why = f"{summary.first_error} {target} says why of each."
        session.output.note(f"error: No row could be scored. {why}")
        raise typer.Exit(problems.FAILED)


class Pace:
    """Rows a second, and the seconds that are left, since the first rows that this process did."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: tuple[float, int, float] | None = None  # when, rows, share

    def of(self, rows: int, share: float) -> tuple[float, float | None]:
        """Return both; the second is None as long as it cannot be told."""
        now = self._clock()
        if self._began is None:
            self._began = (now, rows, share)
        then, rows_then, share_then = self._began
        took_s, gained = now - then, share - share_then
        if took_s <= 0 or gained <= 0:
            return 0.0, None
        return (rows - rows_then) / took_s, (1.0 - share) * took_s / gained


@contextmanager
def _shown(output: Output, source: Path) -> Iterator[bulk.Progress]:
    """Show how far it is, on a terminal."""
    told = TextColumn("{task.fields[told]}")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), told)
    display = Progress(*columns, console=output.notes, transient=True, disable=not output.notes.is_terminal)
    paces: dict[str, Pace] = {}
    last = 0.0
    with display:
        task = display.add_task(source.name, total=1.0, told="")

        def tell(doing: str, rows: int, share: float) -> None:
            nonlocal last
            pace = paces.setdefault(doing, Pace())
            speed, left_s = pace.of(rows, share)
            if time.monotonic() - last < _TOLD_EVERY_S:
                return
            last = time.monotonic()
            left = f", {view.duration(left_s)} left" if left_s is not None else ""
            line = f"{share:.0%}  {rows:,} rows, {speed:,.0f} rows/s{left}"
            display.update(task, description=f"{doing} {source.name}", completed=share, told=line)

        yield tell


def _summary(summary: Summary, target: Path) -> RenderableType:
    figures = summary.as_dict()
    sentence = f"Scored {summary.rows} rows in {view.duration(summary.seconds)}"
    scored = summary.rows - summary.rows_before
    speed = f" ({scored / summary.seconds:.0f} rows/s)" if summary.seconds > 0 else ""
    before = f"; {summary.rows_before} of them before" if summary.rows_before else ""
    columns = {
        "metric": lambda entry: entry[0],
        "version": lambda entry: ", ".join(map(view.short, entry[1]["metric_versions"])),
        "labels": lambda entry: ", ".join(f"{label} {count}" for label, count in entry[1]["labels"].items()),
        "flagged": lambda entry: entry[1]["flagged"],
        "errors": lambda entry: entry[1]["errors"],
    }
    return Group(
        Text(f"{sentence}{speed} into {target}{before}."), table(figures["metrics"].items(), columns)
    )
