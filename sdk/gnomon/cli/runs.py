"""`gnomon runs`: training runs, from queueing to what they measured."""

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon.cli import parameters, problems, report, run_reports, training_sets, view, watching
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.shorthand import run as whole_name
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1.labellings_pb2 import JudgeBudget

app = typer.Typer(name="runs", help="Runs train evaluators.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="The run: projects/{project}/runs/{run} or {project}/{run}.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")]


def _objective(text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=text, rich_help_panel="The load to carry")
    return option


def _made(text: str, *names: str, **limits: Any) -> typer.models.OptionInfo:
    panel = "A training set that is made first"
    option: typer.models.OptionInfo = typer.Option(*names, help=text, rich_help_panel=panel, **limits)
    return option


TokenBudget = Annotated[int, _made("The most tokens to spend on it; 0 for no limit.", min=0)]
MaxCost = Annotated[float, _made("The most money to spend on it; needs the prices.", min=0)]
InputPrice = Annotated[float, _made("The price of a million input tokens.", min=0)]
OutputPrice = Annotated[float, _made("The price of a million output tokens.", min=0)]


_COLUMNS: Columns[pb.Run] = {
    "run": lambda run: view.short(run.name),
    "display name": lambda run: run.display_name,
    "state": view.state,
    "metric": lambda run: view.short(run.metric),
    "macro-F1": lambda run: view.measure(report.find(run.report.measures, "macro_f1")),
    "version": lambda run: view.short(run.metric_version),
    "created": lambda run: view.time(run.create_time),
    "took": view.elapsed,
}


@app.command("create")
@command
@parameters.taken
def create(
    session: Session,
    *,
    project: Annotated[str, typer.Option(help="The project to run in.")],
    metric: Annotated[str, typer.Option(help="The metric to train an evaluator for.")],
    test_set: Annotated[str, typer.Option(help="The human-labelled dataset to measure on.")],
    training_set: Annotated[str, typer.Option(help="The dataset to learn from, if it is there.")] = "",
    label: Annotated[str, _made("A dataset without labels, which a judge is to label first.")] = "",
    generate: Annotated[
        bool, _made("Have a model write the training set first, after rows of the test set.", "--generate")
    ] = False,
    provider: Annotated[str, _made("The provider whose model labels or writes.")] = "",
    rows: Annotated[int, _made("How many rows are written; 0 for 2000.", min=0)] = 0,
    votes: Annotated[int, _made("How often each row is judged.", min=1, max=15)] = 1,
    approve_sample: Annotated[
        bool, _made("Take the sample that is written first without a look; with --watch.", "--approve-sample")
    ] = False,
    token_budget: TokenBudget = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
    labelling: Annotated[str, _made("A labelling that makes the training set, under way or ended.")] = "",
    generation: Annotated[str, _made("A generation that does.")] = "",
    recipe: Annotated[str, typer.Option(help="The training set-up.")] = "small",
    run_id: Annotated[str | None, typer.Option(help="The run's ID; made by the server if not given.")] = None,
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
    allow_small: Annotated[
        bool, typer.Option("--allow-small", help="Allow fewer rows than a trustworthy run needs.")
    ] = False,
    slice_by: Annotated[
        list[str] | None,
        typer.Option(help="An extra column of the test set to divide the report by; may be repeated."),
    ] = None,
    judge_column: Annotated[
        str, typer.Option(help="The extra column of the test set with a judge's labels, if not judge_label.")
    ] = "",
    watch: Watch = False,
    average_qps: Annotated[float | None, _objective("Instances a second in the mean.")] = None,
    peak_qps: Annotated[float | None, _objective("Instances a second at the peak.")] = None,
    input_tokens: Annotated[int | None, _objective("Tokens of an instance.")] = None,
    p95_ms: Annotated[float | None, _objective("Milliseconds that 95 of 100 must keep to.")] = None,
    on_miss: Annotated[
        str | None, _objective("If no format carries it: warn, or refuse to register.")
    ] = None,
    given: dict[str, Any],
) -> None:
    """Check the two sets and queue a run."""
    objective = {
        "average_qps": average_qps,
        "peak_qps": peak_qps,
        "input_tokens": input_tokens,
        "p95_ms": p95_ms,
        "on_miss": on_miss,
    }
    source = training_sets.Source(
        training_set=training_set,
        labelling=labelling,
        generation=generation,
        label=label,
        generate=generate,
        provider=provider,
        votes=votes,
        rows=rows,
        approve_sample=approve_sample,
        budget=_budget(token_budget, max_cost, input_price, output_price),
    )
    if approve_sample and not watch:
        raise typer.BadParameter("--approve-sample goes with --watch: somebody has to be there to take it")
    wanted: dict[str, Any] = {
        "metric": metric,
        "test_set": test_set,
        "recipe": recipe,
        "display_name": display_name,
        "allow_small": allow_small,
        "slice_columns": slice_by or (),
        "judge_column": judge_column,
        "service_objective": objective if any(value is not None for value in objective.values()) else None,
        **given,
    }
    runs = session.client.runs
    made = training_sets.begin(
        session,
        source,
        metric=metric,
        test_set=test_set,
        check=lambda: runs.validate(project, run_id=run_id, **wanted),
    )
    with training_sets.stopped_if_refused(session, source, made):
        operation = runs.create(project, run_id=run_id, **wanted | made)
    _started(session, operation.run_name, watch, approve_sample)


def _budget(token_budget: int, max_cost: float, input_price: float, output_price: float) -> JudgeBudget:
    return JudgeBudget(
        max_tokens=token_budget, max_cost=max_cost, input_price=input_price, output_price=output_price
    )


def _started(session: Session, name: str, watch: bool, approve_sample: bool = False) -> None:
    if watch:
        _watch(session, name, approve_sample)
        return
    queued = session.client.runs.get(name)
    session.output.done(queued, f"{name} is {view.state(queued)}. Follow it: gnomon runs watch {name}")


@app.command("get")
@command
def get(session: Session, *, run: Run) -> None:
    """Show a run."""
    without = ("report", "resolved_parameters", "progress", "parameters", "etag")
    session.output.show(session.client.runs.get(run), lambda found: _shown(found, without))


def _shown(run: pb.Run, without: tuple[str, ...]) -> RenderableType:
    parts: list[RenderableType] = [view.details(run, without=without), parameters.by_origin(run)]
    if run.state in (pb.Run.GENERATING, pb.Run.LABELLING, pb.Run.QUEUED, pb.Run.TRAINING):
        parts.append(watching.RunView.of(run))
    if run.HasField("report"):
        parts += ["", report.results(run.report), Text(f"All of it: gnomon runs report {run.name}")]
    return Group(*parts)


@app.command("list")
@command
def list_(
    session: Session,
    *,
    project: Annotated[str | None, typer.Option(help="Only those of this project.")] = None,
) -> None:
    """List runs, newest first."""
    nothing = "There are no runs yet. Start one: gnomon runs create --help"
    session.output.show_list(session.client.runs.list(project), _COLUMNS, nothing)


@app.command("watch")
@command
def watch(session: Session, *, run: Run) -> None:
    """Follow a run to its end: stage, loss, validation score, time left. Exit status 1 if it fails."""
    _watch(session, whole_name(run))


def _watch(session: Session, name: str, approve_sample: bool = False) -> None:
    def on_change(run: pb.Run) -> None:
        if approve_sample and run.progress.work.awaits_review:
            training_sets.approve(session, run)

    try:
        run = watching.watch(session.output, session.client, name, on_change)
    except KeyboardInterrupt:
        session.output.note(f"The run goes on. Follow it again: gnomon runs watch {name}")
        session.output.note(f"Stop it, with what it waits for: gnomon runs cancel {name}")
        raise
    session.output.show(run, _ended)
    if run.state != pb.Run.REGISTERED:
        raise typer.Exit(problems.FAILED)


def _ended(run: pb.Run) -> RenderableType:
    if run.state == pb.Run.REGISTERED:
        sentence = f"Registered {run.metric_version} after {view.elapsed(run)}."
        metric, number = run.metric_version.split("/")[1::2]
        then = f"Use it: gnomon aliases set {metric} production {number}"
        return Group(report.results(run.report), Text(sentence), Text(then))
    reason = f": {run.error.message}" if run.error.message else ""
    return Group(
        Text(f"{run.name} is {view.state(run)}{reason}"),
        Text(f"Go on with it: gnomon runs resume {run.name}"),
    )


@app.command("cancel")
@command
def cancel(session: Session, *, run: Run) -> None:
    """Stop a run. It can be resumed from its last checkpoint."""
    session.client.runs.cancel(run)
    found = session.client.runs.get(run)
    ends = found.state in (pb.Run.QUEUED, pb.Run.TRAINING, pb.Run.FINE_TUNED)
    session.output.done(
        found, f"Cancelling {found.name}." if ends else f"{found.name} is {view.state(found)}."
    )


@app.command("resume")
@command
def resume(
    session: Session,
    *,
    run: Run,
    watch: Watch = False,
    token_budget: TokenBudget = 0,
    max_cost: MaxCost = 0.0,
    input_price: InputPrice = 0.0,
    output_price: OutputPrice = 0.0,
) -> None:
    """Go on with a run that failed, was cancelled, or could not be registered.

    A budget is for the work that makes its training set, from the beginning on.
    """
    budget = _budget(token_budget, max_cost, input_price, output_price)
    if budget != JudgeBudget():
        training_sets.resume_with(session, session.client.runs.get(run), budget)
    _started(session, session.client.runs.resume(run).run_name, watch)


@app.command("retry")
@command
def retry(session: Session, *, run: Run, watch: Watch = False) -> None:
    """Start a new run with the settings of an old one."""
    _started(session, session.client.runs.retry(run).run_name, watch)


@app.command("rename")
@command
def rename(
    session: Session,
    *,
    run: Run,
    display_name: Annotated[str, typer.Argument(help="The new name for people.")],
) -> None:
    """Change a run's display name."""
    renamed = session.client.runs.rename(run, display_name)
    session.output.done(renamed, f"{renamed.name} is called {renamed.display_name!r} now.")


app.command("compare")(run_reports.compare)
app.command("report")(run_reports.show)


@app.command("predictions")
@command
def predictions(
    session: Session,
    *,
    run: Run,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only those where label and people differ.")] = False,
) -> None:
    """List what a run's evaluator said of its test set, row by row."""
    columns: Columns[pb.Prediction] = {
        "row": lambda prediction: prediction.row,
        "people": lambda prediction: prediction.true_label,
        "evaluator": lambda prediction: prediction.score.label,
        "probability": lambda prediction: f"{view.probability(prediction.score):.3f}",
        "instance": lambda prediction: view.instance(prediction.instance),
    }
    found = (
        prediction
        for prediction in session.client.runs.predictions(run)
        if not wrong or prediction.score.label != prediction.true_label
    )
    nothing = "No row was labelled wrongly." if wrong else "There are no predictions yet."
    session.output.show_list(found, columns, nothing)
