"""`gnomon judge validate`, `label` and what goes with them: a judge's work on whole datasets."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from gnomon import shorthand
from gnomon.cli import judge_reports, problems, view
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError
from gnomon.text_files import opened
from gnomon.v1 import labellings_pb2 as pb

_PLAIN_LINE_EVERY_S = 10.0

Name = Annotated[str, typer.Argument(help="The labelling: its ID, or labellings/{labelling}.")]
Provider = Annotated[str, typer.Option(help="The provider whose model judges.")]
Votes = Annotated[int, typer.Option(min=1, max=15, help="How often each row is judged.")]
MaxTokens = Annotated[int, typer.Option(min=0, help="The most tokens to spend; 0 for no limit.")]
MaxCost = Annotated[float, typer.Option(min=0, help="The most money to spend, in the prices' currency.")]
InputPrice = Annotated[float, typer.Option(min=0, help="The price of a million input tokens.")]
OutputPrice = Annotated[float, typer.Option(min=0, help="The price of a million output tokens.")]
Canaries = Annotated[
    int, typer.Option(min=0, help="Rows judged once more with an instruction planted in them; 0 for none.")
]
Examples = Annotated[
    str | None, typer.Option(help="A dataset that people labelled, to show the judge examples of.")
]
ExampleCount = Annotated[int, typer.Option(min=0, max=16, help="How many examples; 0 for 8.")]
Seed = Annotated[int, typer.Option(help="Another seed draws other canaries and examples.")]
Id = Annotated[str, typer.Option("--id", help="The labelling's ID; made by the trainer if left out.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return at once; the trainer goes on.")]


def _prompt_of(file: Path | None) -> str:
    if file is None:
        return ""
    with opened(file) as text:
        return text.read()


def _budget(max_tokens: int, max_cost: float, input_price: float, output_price: float) -> pb.JudgeBudget:
    return pb.JudgeBudget(
        max_tokens=max_tokens, max_cost=max_cost, input_price=input_price, output_price=output_price
    )


@command
def validate(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric, which needs a judge prompt.")],
    provider: Provider,
    test_set: Annotated[str, typer.Option(help="The dataset that people labelled.")],
    prompt_file: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Another judge prompt; twice, and they are compared."),
    ] = None,
    compare_with: Annotated[
        str | None, typer.Option(help="A labelling of the same rows to compare with.")
    ] = None,
    votes: Votes = 1,
    max_tokens: MaxTokens = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
    canaries: Canaries = 20,
    examples: Examples = None,
    example_count: ExampleCount = 0,
    seed: Seed = 0,
    labelling_id: Id = "",
    no_wait: NoWait = False,
) -> None:
    """Find out how well a judge agrees with people: agreement, kappa, F1, confusion, with intervals."""
    _check_metric(session, metric, test_set)
    prompts: Sequence[Path | None] = prompt_file or [None]
    if len(prompts) > 2 or (len(prompts) == 2 and (compare_with or labelling_id or no_wait)):
        raise InvalidRequestError(
            "Two prompts are compared at once: give --prompt-file at most twice, and then neither "
            "--compare-with nor --id nor --no-wait."
        )
    if no_wait and compare_with:
        raise InvalidRequestError("What is to be compared has to be waited for: leave --no-wait out.")
    names = []
    for file in prompts:
        operation = session.client.labellings.validate(
            test_set,
            provider=provider,
            labelling_id=labelling_id,
            judge_prompt=_prompt_of(file),
            votes=votes,
            budget=_budget(max_tokens, max_cost, input_price, output_price),
            canary_count=canaries,
            examples=examples,
            example_count=example_count,
            seed=seed,
        )
        names.append(operation.name)
        if no_wait:
            _begun(session, operation.name)
            return
        if (ended := _wait(session, operation.name)).state != pb.Labelling.LABELLED:
            _show_ended(session, ended)
    other = names[0] if len(names) == 2 else compare_with
    _show_validation(session, names[-1], other)


def _check_metric(session: Session, metric: str, test_set: str) -> None:
    dataset = session.client.datasets.get(test_set)
    if dataset.metric != shorthand.metric(metric):
        raise InvalidRequestError(
            f"{dataset.name} holds labels of {dataset.metric}, not of {shorthand.metric(metric)}."
        )


def _show_validation(session: Session, name: str, other: str | None) -> None:
    found = session.client.labellings.get(name)
    if other is None:
        _show_ended(session, found)
        return
    comparison = session.client.labellings.compare(other, name)
    if session.output.as_json:
        session.output.json({"labelling": found, "comparison": comparison})
    else:
        session.output.answer.print(Group(judge_reports.ended(found), judge_reports.compared(comparison)))


@command
def label(
    session: Session,
    *,
    dataset: Annotated[str, typer.Argument(help="The dataset, uploaded with --unlabelled.")],
    provider: Provider,
    to: Annotated[str, typer.Option(help="The dataset that gets the rows; this one if left out.")] = "",
    prompt_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Another judge prompt.")
    ] = None,
    votes: Votes = 1,
    max_tokens: MaxTokens = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
    canaries: Canaries = 20,
    examples: Examples = None,
    example_count: ExampleCount = 0,
    seed: Seed = 0,
    labelling_id: Id = "",
    no_wait: NoWait = False,
) -> None:
    """Have a judge label all rows of a dataset; they become its next version."""
    operation = session.client.labellings.label(
        dataset,
        provider=provider,
        labelling_id=labelling_id,
        target_dataset_id=to,
        judge_prompt=_prompt_of(prompt_file),
        votes=votes,
        budget=_budget(max_tokens, max_cost, input_price, output_price),
        canary_count=canaries,
        examples=examples,
        example_count=example_count,
        seed=seed,
    )
    _follow(session, operation.name, no_wait)


@command
def list_(session: Session) -> None:
    """List labellings, newest first."""
    nothing = "There are no labellings yet. Begin one: gnomon judge label DATASET --provider PROVIDER"
    session.output.show_list(session.client.labellings.list(), _COLUMNS, nothing)


_COLUMNS: Columns[pb.Labelling] = {
    "labelling": lambda found: view.short(found.name),
    "for": lambda found: pb.Labelling.Purpose.Name(found.purpose),
    "dataset": lambda found: view.short(found.dataset),
    "provider": lambda found: f"{view.short(found.provider)} ({found.model})",
    "state": judge_reports.state,
    "rows": lambda found: f"{found.progress.judged_count}/{found.progress.total_count}",
    "spent": judge_reports.spent,
    "agreement": lambda found: next(
        (view.measure(m) for m in found.report.measures if m.key == "agreement"), ""
    ),
    "created": lambda found: view.time(found.create_time),
}


@command
def show(session: Session, *, labelling: Name) -> None:
    """Show a labelling: how far it is, what it costs, and what it came to."""
    session.output.show(session.client.labellings.get(labelling), judge_reports.rendered)


@command
def watch(session: Session, *, labelling: Name) -> None:
    """Follow a labelling to its end. Exit status 1 if it fails."""
    _follow(session, shorthand.labelling(labelling), no_wait=False)


@command
def resume(
    session: Session,
    *,
    labelling: Name,
    max_tokens: Annotated[int | None, typer.Option(min=0, help="The most tokens in all; as before.")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, help="The most money in all; as before.")] = None,
    no_wait: NoWait = False,
) -> None:
    """Go on with a labelling that failed or was cancelled. No answer is paid twice."""
    budget = None
    if max_tokens is not None or max_cost is not None:
        budget = session.client.labellings.get(labelling).budget
        budget.max_tokens = budget.max_tokens if max_tokens is None else max_tokens
        budget.max_cost = budget.max_cost if max_cost is None else max_cost
    operation = session.client.labellings.resume(labelling, budget=budget)
    _follow(session, operation.name, no_wait)


@command
def cancel(session: Session, *, labelling: Name) -> None:
    """Stop a labelling. It can be resumed."""
    session.client.labellings.cancel(labelling)
    found = session.client.labellings.get(labelling)
    stops = found.state == pb.Labelling.LABELLING
    sentence = f"Cancelling {found.name}." if stops else f"{found.name} is {judge_reports.state(found)}."
    session.output.done(found, sentence)


@command
def wrong(session: Session, *, labelling: Name) -> None:
    """List the rows that a judge labels otherwise than people, with its explanations."""
    columns: Columns[pb.WrongRow] = {
        "row": lambda row: row.row,
        "instance": lambda row: view.instance(row.instance),
        "people": lambda row: row.true_label,
        "judge": lambda row: f"{row.label} ({row.share:.2f})",
        "because": lambda row: row.explanation,
    }
    nothing = "There is no row that it gets wrong."
    session.output.show_list(session.client.labellings.wrong_rows(labelling), columns, nothing)


@command
def compare(
    session: Session,
    *,
    first: Annotated[str, typer.Argument(help="A labelling of rows that people labelled.")],
    second: Annotated[str, typer.Argument(help="Another one of the same rows.")],
) -> None:
    """Compare two judges, or two prompts, row by row."""
    session.output.show(session.client.labellings.compare(first, second), judge_reports.compared)


# -------------------------------------------------------------------------------- following


def _begun(session: Session, name: str) -> None:
    found = session.client.labellings.get(name)
    session.output.done(found, f"{name} has begun. Follow it: gnomon judge watch {view.short(name)}")


def _follow(session: Session, name: str, no_wait: bool) -> None:
    if no_wait:
        _begun(session, name)
        return
    _show_ended(session, _wait(session, name))


def _show_ended(session: Session, labelling: pb.Labelling) -> None:
    session.output.show(labelling, judge_reports.ended)
    if labelling.state != pb.Labelling.LABELLED:
        raise typer.Exit(problems.FAILED)


def _wait(session: Session, name: str) -> pb.Labelling:
    """Show a labelling on standard error until it ends; return it."""
    try:
        return _watched(session, name)
    except KeyboardInterrupt:
        session.output.note(f"It goes on. Follow it again: gnomon judge watch {view.short(name)}")
        raise


def _watched(session: Session, name: str) -> pb.Labelling:
    shown, last_line = _Bar(), 0.0
    if session.output.notes.is_terminal:
        with Live(shown, console=session.output.notes, refresh_per_second=4, transient=True):
            for labelling in session.client.labellings.watch(name):
                shown.labelling = labelling
        return shown.labelling
    for labelling in session.client.labellings.watch(name):
        shown.labelling = labelling
        if time.monotonic() - last_line > _PLAIN_LINE_EVERY_S:
            session.output.note(judge_reports.headline(labelling))
            last_line = time.monotonic()
    return shown.labelling


class _Bar:
    """A labelling as it goes, drawn for a terminal."""

    def __init__(self) -> None:
        self.labelling = pb.Labelling()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        told = self.labelling.progress
        ended = told.judged_count + told.failed_count
        yield Text.assemble((self.labelling.name, "bold"), f"  {judge_reports.headline(self.labelling)}")
        yield ProgressBar(total=max(1, told.total_count), completed=ended, width=60)


COMMANDS: dict[str, Any] = {
    "validate": validate,
    "label": label,
    "list": list_,
    "show": show,
    "watch": watch,
    "resume": resume,
    "cancel": cancel,
    "wrong": wrong,
    "compare": compare,
}
