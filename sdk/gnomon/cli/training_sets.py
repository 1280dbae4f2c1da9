"""Where the training set of a new run comes from: it is there, or a judge or a model makes it first."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer

from gnomon import shorthand
from gnomon.cli import view
from gnomon.cli.session import Session
from gnomon.errors import GnomonError, InvalidRequestError, WorkStateError
from gnomon.v1 import labellings_pb2 as labellings
from gnomon.v1 import resources_pb2 as pb

_SAMPLE_ROWS = 50  # as the trainer has it where nothing is said; fewer where fewer are wanted in all
_OPTIONS = "--training-set, --labelling, --generation, --label or --generate"


@dataclass(frozen=True)
class Source:
    """What the options of a command say. Of the first five, one is to be given."""

    training_set: str
    labelling: str
    generation: str
    label: str  # a dataset without labels
    generate: bool
    provider: str
    votes: int
    rows: int
    approve_sample: bool
    budget: labellings.JudgeBudget

    def check(self) -> None:
        """Raise BadParameter unless the options go together."""
        named = [self.training_set, self.labelling, self.generation, self.label, self.generate]
        if sum(map(bool, named)) != 1:
            raise typer.BadParameter(f"give exactly one of {_OPTIONS}")
        if self.is_begun != bool(self.provider):
            raise typer.BadParameter("--label and --generate need --provider, and nothing else does")
        if self.rows and not self.generate:
            raise typer.BadParameter("--rows goes with --generate")
        if self.budget != labellings.JudgeBudget() and not self.is_begun:
            raise typer.BadParameter("a budget goes with --label or --generate, or with gnomon runs resume")
        if self.approve_sample and not (self.generate or self.generation):
            raise typer.BadParameter("--approve-sample goes with --generate or --generation")

    @property
    def is_begun(self) -> bool:
        """Whether the command itself begins the work that makes the set."""
        return bool(self.label or self.generate)


def begin(
    session: Session, source: Source, *, metric: str, test_set: str, check: Callable[[], object]
) -> dict[str, str]:
    """Return what the run has to name. Work that is to make it is begun, after all that `check` checks."""
    source.check()
    if not source.is_begun:
        fields = ("training_set", "labelling", "generation")
        return {field: getattr(source, field) for field in fields if getattr(source, field)}
    check()
    if source.generate:
        made = {"generation": _generation(session, source, metric, test_set)}
    else:
        made = {"labelling": _labelling(session, source, metric)}
    (name,) = made.values()
    session.output.note(f"{name} makes the training set.")
    return made


def _generation(session: Session, source: Source, metric: str, test_set: str) -> str:
    generation = session.client.generations.create(
        metric,
        provider=source.provider,
        test_set=test_set,
        rows=source.rows,
        sample_rows=min(source.rows, _SAMPLE_ROWS),
        votes=source.votes,
        budget=source.budget,
    )
    return generation.name


def _labelling(session: Session, source: Source, metric: str) -> str:
    dataset = session.client.datasets.get(source.label)
    if dataset.metric != shorthand.metric(metric):
        raise InvalidRequestError(
            f"{dataset.name} is for {dataset.metric}, not for {shorthand.metric(metric)}."
        )
    operation = session.client.labellings.label(
        source.label, provider=source.provider, votes=source.votes, budget=source.budget
    )
    return operation.name


@contextlib.contextmanager
def stopped_if_refused(session: Session, source: Source, made: dict[str, str]) -> Iterator[None]:
    """Stop work that was begun for a run that is refused: nobody would pay for it any more."""
    try:
        yield
    except GnomonError:
        if source.is_begun:
            for field, name in made.items():
                _cancel(session, field, name)
        raise


def _cancel(session: Session, field: str, name: str) -> None:
    cancel = session.client.generations.cancel if field == "generation" else session.client.labellings.cancel
    with contextlib.suppress(GnomonError):  # what refused the run is told
        cancel(name)
        session.output.note(f"{name} is cancelled, as the run is refused.")


def resume_with(session: Session, run: pb.Run, budget: labellings.JudgeBudget) -> None:
    """Give the work that a run waited for a larger budget, and go on with it."""
    if run.training_set or not (run.labelling or run.generation):
        raise InvalidRequestError(f"{run.name} has its training set: nothing more is paid for it.")
    if run.generation:
        session.client.generations.resume(run.generation, budget=budget)
    else:
        session.client.labellings.resume(run.labelling, budget=budget)


def approve(session: Session, run: pb.Run) -> None:
    """Take the sample that a run waits for, without a look at it."""
    try:
        session.client.generations.approve(run.generation)
    except WorkStateError:  # it was taken already, and the run shows that in a moment
        return
    session.output.note(f"The sample of {run.generation} is taken.")


def review_lines(run: pb.Run) -> list[str]:
    """Return what somebody has to do for a run that waits for the review of a sample; else nothing."""
    if run.state != pb.Run.GENERATING or not run.progress.work.awaits_review:
        return []
    short = view.short(run.generation)
    return [
        f"A sample of {run.progress.work.done_count} rows awaits your review; the run goes on after that.",
        f"Look at it: gnomon generate rows {short}",
        f"Take it: gnomon generate approve {short}",
        f"Or turn it down: gnomon generate regenerate {short} --reason …",
    ]
