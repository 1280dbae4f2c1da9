"""`gnomon generate`: have a provider's model write a training set after rows of a test set."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.progress_bar import ProgressBar
from rich.text import Text

from gnomon.cli import problems, view
from gnomon.cli.output import Columns, Output, table
from gnomon.cli.session import Session, command
from gnomon.errors import InvalidRequestError
from gnomon.v1 import generations_pb2 as pb

app = typer.Typer(
    name="generate",
    help="Have a model write a training set after rows of a test set, and look at a sample first.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="The generation: its ID, or its full name.")]
MaxTokens = Annotated[int, typer.Option(min=0, help="The most tokens to spend; 0 for no limit.")]
MaxCost = Annotated[float, typer.Option(min=0, help="The most money to spend; needs the prices.")]
InputPrice = Annotated[float, typer.Option(min=0, help="The price of a million input tokens.")]
OutputPrice = Annotated[float, typer.Option(min=0, help="The price of a million output tokens.")]

_COLUMNS: Columns[pb.Generation] = {
    "generation": lambda generation: view.short(generation.name),
    "metric": lambda generation: view.short(generation.metric),
    "model": lambda generation: generation.model,
    "state": lambda generation: pb.Generation.State.Name(generation.state),
    "rows": lambda generation: f"{generation.progress.kept_count} of {generation.row_count}",
    "made": lambda generation: view.short(generation.generated_dataset),
    "created": lambda generation: view.time(generation.create_time),
}

_ROWS: Columns[pb.GeneratedRow] = {
    "row": lambda row: row.row,
    "label": lambda row: row.label,
    "share": lambda row: f"{row.label_probabilities[row.label]:.2f}",
    "instance": lambda row: view.instance(row.instance),
}

_FIGURES: Columns[pb.GenerationDiversity.Figure] = {
    "measure": lambda figure: figure.key.replace("_", " "),
    "generated": lambda figure: _number(figure, "generated"),
    "seeds": lambda figure: _number(figure, "seeds"),
}


@app.command("create")
@command
def create(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric, which needs a judge prompt.")],
    provider: Annotated[str, typer.Option(help="The provider whose model writes.")],
    test_set: Annotated[str, typer.Option(help="Rows that people labelled; some become seeds.")],
    generation_id: Annotated[str, typer.Option(help="Its ID; made by the trainer if left out.")] = "",
    judge: Annotated[str, typer.Option(help="The provider whose model judges; by default the same.")] = "",
    seed_set: Annotated[str, typer.Option(help="A dataset with further seeds.")] = "",
    seed_share: Annotated[float, typer.Option(help="The share of the test set that becomes seeds.")] = 0.2,
    sample_rows: Annotated[int, typer.Option(min=1, help="How many rows to look at first.")] = 50,
    rows: Annotated[int, typer.Option(min=1, help="How many rows in all.")] = 2000,
    balance: Annotated[
        list[str] | None, typer.Option(help="The share of a class, as LABEL=SHARE; repeat it.")
    ] = None,
    votes: Annotated[int, typer.Option(min=1, max=15, help="How often each row is judged.")] = 1,
    dataset_id: Annotated[str, typer.Option(help="The dataset to make; by default named as this.")] = "",
    seed: Annotated[int, typer.Option(help="Which seeds are drawn.")] = 0,
    max_tokens: MaxTokens = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
    wait: Annotated[bool, typer.Option("--wait", help="Show the sample once it is there.")] = False,
) -> None:
    """Choose seeds, and have a sample made for you to look at."""
    generation = session.client.generations.create(
        metric,
        provider=provider,
        test_set=test_set,
        generation_id=generation_id,
        judge_provider=judge,
        seed_set=seed_set,
        seed_share=seed_share,
        sample_rows=sample_rows,
        rows=rows,
        class_balance=dict(map(_share, balance or ())),
        votes=votes,
        budget=_budget(max_tokens, max_cost, input_price, output_price),
        dataset_id=dataset_id,
        seed=seed,
    )
    if wait:
        _wait(session, generation.name)
        return
    short = view.short(generation.name)
    session.output.done(
        generation,
        f"{generation.name} makes a sample of {generation.sample_row_count} rows from "
        f"{len(generation.seed_rows)} seeds. Next: gnomon generate watch {short}",
    )


def _share(text: str) -> tuple[str, float]:
    label, equals, share = text.rpartition("=")
    try:
        if equals:
            return label, float(share)
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is not LABEL=SHARE, such as toxic=0.3")


def _budget(
    max_tokens: int, max_cost: float, input_price: float, output_price: float
) -> dict[str, float] | None:
    given = {
        "max_tokens": max_tokens,
        "max_cost": max_cost,
        "input_price": input_price,
        "output_price": output_price,
    }
    return {key: value for key, value in given.items() if value} or None


@app.command("list")
@command
def list_(session: Session) -> None:
    """List generations, newest first."""
    nothing = "There are no generations yet. Make one: gnomon generate create --help"
    session.output.show_list(session.client.generations.list(), _COLUMNS, nothing)


@app.command("show")
@command
def show(
    session: Session,
    *,
    generation: Name,
    card: Annotated[bool, typer.Option("--card", help="Show the card of the data instead.")] = False,
) -> None:
    """Show a generation: how far it is, what was dropped and why, diversity and drift."""
    found = session.client.generations.get(generation)
    if card and not found.card:
        raise InvalidRequestError(f"{found.name} has no card yet; it comes with the dataset.")
    session.output.show(found, (lambda it: Markdown(it.card)) if card else _details)


def _details(generation: pb.Generation) -> RenderableType:
    hidden = ("card", "diversity", "seed_rows", "progress", "wishes")
    parts: list[RenderableType] = [view.details(generation, without=hidden)]
    parts.append(Text(f"seeds: {len(generation.seed_rows)} rows of {generation.test_set}"))
    parts += [Text(f"turned down: {_said(wish)}") for wish in generation.wishes]
    parts.append(Text(_headline(generation)))
    if dropped := _dropped(generation.progress.dropped):
        parts.append(Text(f"dropped: {dropped}"))
    if generation.HasField("diversity"):
        parts.append(table(generation.diversity.figures, _FIGURES))
        parts.append(Text(_drift(generation.diversity)))
    return Group(*parts)


def _said(wish: pb.Generation.Wish) -> str:
    reason = pb.Generation.Reason.Name(wish.reason).lower().replace("_", " ")
    return f"{reason}: {wish.words}" if wish.words else reason


def _dropped(dropped: pb.DroppedItems) -> str:
    return ", ".join(f"{count} {field.name.replace('_', ' ')}" for field, count in dropped.ListFields())


def _drift(found: pb.GenerationDiversity) -> str:
    parts = [f"{found.near_duplicate_share:.1%} of the items were near copies"]
    if found.HasField("auroc"):
        parts.append(f"a classifier tells generated rows from seeds with AUROC {found.auroc:.3f}")
    if found.HasField("mean_distance"):
        parts.append(
            f"their mean vectors are {found.mean_distance:.3f} apart (halves of the seeds: "
            f"{found.mean_distance_of_seeds:.3f})"
        )
    return "; ".join(parts) + "."


def _number(figure: pb.GenerationDiversity.Figure, side: str) -> str:
    return f"{getattr(figure, side):.3g}" if figure.HasField(side) else "–"


@app.command("rows")
@command
def rows(
    session: Session,
    *,
    generation: Name,
    count: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 50,
) -> None:
    """Show the rows that were made so far, the sample first."""
    found = session.client.generations.rows(generation)
    shown = [row for row, _ in zip(found, range(count), strict=False)]
    session.output.show_list(shown, _ROWS, "There are no rows yet.")


@app.command("regenerate")
@command
def regenerate(
    session: Session,
    *,
    generation: Name,
    reason: Annotated[str, typer.Option(help="too_repetitive, labels_wrong, off_topic or other.")],
    words: Annotated[str, typer.Option(help="What is to be done better, in your own words.")] = "",
) -> None:
    """Turn the sample down, and have another one made."""
    found = session.client.generations.regenerate(generation, reason, words)
    session.output.done(
        found, f"Sample {found.sample_number} is made. Next: gnomon generate watch {view.short(found.name)}"
    )


@app.command("approve")
@command
def approve(session: Session, *, generation: Name) -> None:
    """Take the sample, and have the rest made."""
    found = session.client.generations.approve(generation)
    session.output.done(
        found, f"{found.row_count} rows are made. Next: gnomon generate watch {view.short(found.name)}"
    )


@app.command("watch")
@command
def watch(session: Session, *, generation: Name) -> None:
    """Follow a generation until it awaits your review, or has ended."""
    _wait(session, generation)


@app.command("resume")
@command
def resume(
    session: Session,
    *,
    generation: Name,
    max_tokens: MaxTokens = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
) -> None:
    """Go on with a generation that failed or was cancelled; no answer is paid twice."""
    budget = _budget(max_tokens, max_cost, input_price, output_price)
    found = session.client.generations.resume(generation, budget=budget)
    session.output.done(found, f"{found.name} goes on. Next: gnomon generate watch {view.short(found.name)}")


@app.command("cancel")
@command
def cancel(session: Session, *, generation: Name) -> None:
    """Stop a generation. It can be resumed."""
    session.client.generations.cancel(generation)
    session.output.done({}, f"{generation} stops. It can be resumed.")


def _wait(session: Session, name: str) -> None:
    found = _follow(session.output, session, name)
    session.output.show(found, _ended)
    if found.state in {pb.Generation.FAILED, pb.Generation.CANCELLED}:
        raise typer.Exit(problems.FAILED)


def _follow(output: Output, session: Session, name: str) -> pb.Generation:
    """Show on standard error how far it is; return it once nothing more happens by itself."""
    found = pb.Generation()
    events = session.client.generations.watch(name)
    if not output.notes.is_terminal:
        said = ""
        for found in events:
            if (line := _headline(found)) != said:
                output.note(line)
                said = line
        return found
    with Live(console=output.notes, refresh_per_second=4, transient=True) as live:
        for found in events:
            progress = found.progress
            bar = ProgressBar(total=progress.wanted_count, completed=progress.kept_count, width=60)
            live.update(Group(Text(_headline(found)), bar))
    return found


def _headline(generation: pb.Generation) -> str:
    """Return `GENERATING: 120 of 2000 rows, 14000 tokens, cost 0.21 of about 3.4, 6 min 2 s left`."""
    progress = generation.progress
    parts = [
        f"{progress.kept_count} of {progress.wanted_count} rows",
        f"{progress.input_tokens + progress.output_tokens} tokens",
    ]
    if progress.cost:
        about = f" of about {progress.estimated_cost:.3g}" if progress.estimated_cost else ""
        parts.append(f"cost {progress.cost:.3g}{about}")
    if progress.HasField("remaining"):
        parts.append(f"{view.duration(progress.remaining.ToNanoseconds() / 1e9)} left")
    return f"{pb.Generation.State.Name(generation.state)}: {', '.join(parts)}"


def _ended(generation: pb.Generation) -> RenderableType:
    short = view.short(generation.name)
    match generation.state:
        case pb.Generation.AWAITING_REVIEW:
            said = (
                f"Sample {generation.sample_number} has {generation.progress.kept_count} rows.\n"
                f"Look at it: gnomon generate rows {short}\n"
                f"Take it: gnomon generate approve {short}\n"
                f"Or turn it down: gnomon generate regenerate {short} --reason …"
            )
        case pb.Generation.GENERATED:
            counts = ", ".join(f"{label} {count}" for label, count in sorted(generation.class_counts.items()))
            said = f"Made {generation.generated_dataset} ({counts})."
            said += "".join(f"\n{finding.message}" for finding in generation.findings)
        case _:
            said = f"{pb.Generation.State.Name(generation.state)}: {generation.error.message}"
    return Text(said)
