"""A run as it goes: live on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from gnomon.cli import training_sets, view
from gnomon.cli.output import Output, grid
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb

if TYPE_CHECKING:
    from gnomon import Client

_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_LINE_EVERY_S = 10.0
_FIGURES = {
    "loss": ".4f",
    "learning_rate": ".2e",
    "gradient_norm": ".3f",
    "validation_loss": ".4f",
    "validation_macro_f1": ".3f",
}
"""The figures of a point, as they are drawn, and how each is written."""


def watch(
    output: Output, client: "Client", name: str, on_change: Callable[[pb.Run], object] = lambda _: None
) -> pb.Run:
    """Show a run on standard error until it ends; return it. `on_change` gets it at every change."""
    shown = RunView()
    if output.notes.is_terminal:
        with Live(shown, console=output.notes, refresh_per_second=4, transient=True):
            for event in client.runs.watch(name):
                shown.take(event)
                on_change(event.run)
    else:
        lines = _PlainLines(output)
        for event in client.runs.watch(name):
            shown.take(event)
            lines.take(event)
            on_change(event.run)
    return shown.run


class RunView:
    """What is known of a run, drawn for a terminal."""

    def __init__(self) -> None:
        self.run = pb.Run()
        self.points: list[pb.TrainingPoint] = []

    @classmethod
    def of(cls, run: pb.Run) -> "RunView":
        """Return the view of a run at one moment."""
        result = cls()
        result.run = run
        return result

    def take(self, event: trainer_pb.WatchRunResponse) -> None:
        """Add an event."""
        self.run = event.run
        self.points.extend(event.points)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress = self.run.progress
        yield Text.assemble((self.run.name, "bold"), f"  {headline(self.run)}")
        if progress.total_steps:
            yield ProgressBar(total=progress.total_steps, completed=progress.step, width=60)
        if _waits(self.run) and progress.work.total_count:
            yield ProgressBar(total=progress.work.total_count, completed=progress.work.done_count, width=60)
        for line in training_sets.review_lines(self.run):
            yield Text(line)
        latest = self._latest()
        lines: list[tuple[str, object]] = []
        for key, form in _FIGURES.items():
            if latest.HasField(key):
                lines.append((_named(key), _figure(latest, key)))
                if curve := sparkline(self._values(key), form=form):
                    lines.append(("", curve))
        if best := self._best():
            lines.append(("best so far", best))
        yield grid(lines)

    def _values(self, key: str) -> list[float]:
        return [getattr(point, key) for point in self.points if point.HasField(key)]

    def _best(self) -> str:
        """Return the evaluation that is kept: the first of the best scores."""
        judged = [point for point in self.points if point.HasField("validation_macro_f1")]
        if not judged:
            return ""
        best = max(judged, key=lambda point: (point.validation_macro_f1, -point.validation_loss))
        where = f"step {best.step}" if best.step else "the frozen base model, before any step"
        return f"validation macro-F1 {best.validation_macro_f1:.3f} at {where}"

    def _latest(self) -> pb.TrainingPoint:
        """Return the newest value of each field: evaluations come more rarely than losses."""
        merged = pb.TrainingPoint()
        for point in (*self.points, self.run.progress.latest):
            merged.MergeFrom(point)
        return merged


def headline(run: pb.Run) -> str:
    """Return `TRAINING: fine tuning, step 40 of 200, 1 min 20 s left`."""
    if _waits(run):
        return f"{view.state(run)}: {_work(run.progress.work)}"
    if run.state != pb.Run.TRAINING:
        return view.state(run)
    progress = run.progress
    parts = [pb.RunProgress.Stage.Name(progress.stage).lower().replace("_", " ")] if progress.stage else []
    if progress.total_steps:
        parts.append(f"step {progress.step} of {progress.total_steps}")
    if progress.HasField("remaining"):
        parts.append(f"{view.duration(progress.remaining.ToNanoseconds() / 1e9)} left")
    return ": ".join(filter(None, [view.state(run), ", ".join(parts)]))


def _waits(run: pb.Run) -> bool:
    return run.state in (pb.Run.GENERATING, pb.Run.LABELLING)


def _work(work: pb.TrainingSetProgress) -> str:
    """Return `120 of 2000 rows, 14000 tokens, cost 0.21 of about 3.4, 6 min 2 s left`."""
    parts = [f"{work.done_count} of {work.total_count} rows"]
    if work.failed_count:
        parts.append(f"{work.failed_count} left out")
    parts.append(f"{work.input_tokens + work.output_tokens} tokens")
    if work.cost:
        about = f" of about {work.estimated_cost:.3g}" if work.estimated_cost else ""
        parts.append(f"cost {work.cost:.3g}{about}")
    if work.HasField("remaining"):
        parts.append(f"{view.duration(work.remaining.ToNanoseconds() / 1e9)} left")
    return ", ".join(parts)


def point_facts(point: pb.TrainingPoint) -> list[tuple[str, object]]:
    """Return the set fields of a point as `(key, text)`."""
    return [(_named(key), _figure(point, key)) for key in _FIGURES if point.HasField(key)]


def _named(key: str) -> str:
    return key.replace("_", " ").replace("f1", "F1")


def _figure(point: pb.TrainingPoint, key: str) -> str:
    return format(getattr(point, key), _FIGURES[key])


def sparkline(values: list[float], width: int = 60, form: str = ".3f") -> str:
    """Return the last values as a line of bars, from their least to their greatest."""
    values = values[-width:]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    bars = "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)
    return f"{bars}  {low:{form}} to {high:{form}}"


class _PlainLines:
    """One line a stage and an evaluation, and now and then one between them."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._before: tuple[int, int, bool] | None = None
        self._last_line = 0.0

    def take(self, event: trainer_pb.WatchRunResponse) -> None:
        run = event.run
        position = (run.state, run.progress.stage, run.progress.work.awaits_review)
        evaluated = any(point.HasField("validation_macro_f1") for point in event.points)
        is_ahead = bool(event.points) or _waits(run)
        due = is_ahead and time.monotonic() - self._last_line > _PLAIN_LINE_EVERY_S
        if position == self._before and not evaluated and not due:
            return
        point = pb.TrainingPoint()
        for entry in event.points:
            point.MergeFrom(entry)
        facts = [f"{key} {text}" for key, text in point_facts(point)]
        self._output.note("  ".join([headline(run), *facts]))
        for line in training_sets.review_lines(run):
            self._output.note(line)
        self._before, self._last_line = position, time.monotonic()
