"""`gnomon datasets`: labelled rows, to learn from and to measure on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import examples
from gnomon.cli import view
from gnomon.cli.output import Columns, table
from gnomon.cli.session import Session, command, local_command
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer_pb

app = typer.Typer(name="datasets", help="Datasets are labelled rows.", no_args_is_help=True)

Dataset = Annotated[str, typer.Argument(help="The dataset: ID, ID@VERSION, or its full name.")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="FILECOL=OURCOL", help="Read a column of the file as ours; repeat it."),
]


def _counts(dataset: pb.Dataset) -> str:
    if dataset.unlabelled:
        return "unlabelled"
    counts = sorted(dataset.class_counts.items(), key=lambda entry: -entry[1])
    shown = ", ".join(f"{label} {count}" for label, count in counts[:6])
    return shown + (f", … ({len(counts)} classes)" if len(counts) > 6 else "")


_COLUMNS: Columns[pb.Dataset] = {
    "dataset": lambda dataset: f"{view.short(dataset.name)}@{dataset.version}",
    "metric": lambda dataset: view.short(dataset.metric),
    "rows": lambda dataset: dataset.row_count,
    "classes": _counts,
    "state": lambda dataset: pb.Dataset.State.Name(dataset.state),
    "findings": lambda dataset: len(dataset.findings),
    "created": lambda dataset: view.time(dataset.create_time),
}


_SUSPECTS: Columns[trainer_pb.SuspectLabel] = {
    "row": lambda suspect: suspect.row,
    "instance": lambda suspect: view.instance(suspect.instance),
    "label": lambda suspect: f"{suspect.label} ({suspect.label_probability:.2f})",
    "expected": lambda suspect: f"{suspect.suggested_label} ({suspect.suggested_probability:.2f})",
}


def parse_columns(mappings: Sequence[str] | None) -> dict[str, str]:
    """Return `{file's column: ours}` of `FILECOL=OURCOL` options."""
    columns: dict[str, str] = {}
    for mapping in mappings or ():
        theirs, equals, ours = mapping.rpartition("=")
        if not (theirs and equals and ours):
            raise typer.BadParameter(f"--column {mapping!r} must read FILECOL=OURCOL, such as question=input")
        if theirs in columns:
            raise typer.BadParameter(f"--column names {theirs!r} twice")
        columns[theirs] = ours
    return columns


@app.command("upload")
@command
def upload(
    session: Session,
    *,
    dataset_id: Annotated[str, typer.Argument(help="The dataset's ID; an existing one gets a new version.")],
    file: Annotated[Path, typer.Argument(help="CSV or JSON Lines, also .gz.", exists=True, dir_okay=False)],
    metric: Annotated[str, typer.Option(help="The metric whose labels the rows carry.")],
    column: Mapping = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave bad rows out instead of refusing the file.")
    ] = False,
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="The rows have no labels: a judge is to give them.")
    ] = False,
) -> None:
    """Upload a file of labelled rows: all of it or nothing."""
    answer = session.client.datasets.upload(
        dataset_id,
        file,
        metric=metric,
        columns=parse_columns(column),
        allow_partial=allow_partial,
        display_name=display_name,
        unlabelled=unlabelled,
    )
    session.output.show(answer, _uploaded)


def _uploaded(answer: trainer_pb.UploadDatasetResponse) -> RenderableType:
    dataset = answer.dataset
    lines = [Text(f"Stored {dataset.name}@{dataset.version}: {dataset.row_count} rows ({_counts(dataset)}).")]
    lines += [Text(f"  {finding.code}: {finding.message}") for finding in dataset.findings]
    if answer.rejected_row_count:
        lines.append(Text(f"{answer.rejected_row_count} rows were left out:"))
        lines += [Text(f"  {_where(row)}: {row.message}") for row in answer.rejected_rows]
    return Group(*lines)


def _where(row: trainer_pb.RejectedRow) -> str:
    return f'line {row.line}, column "{row.column}"' if row.column else f"line {row.line}"


@app.command("get")
@command
def get(session: Session, *, dataset: Dataset) -> None:
    """Show a dataset and what the checks found."""
    session.output.show(session.client.datasets.get(dataset), view.details)


@app.command("check")
@command
def check(
    session: Session,
    *,
    dataset: Dataset,
    limit: Annotated[int, typer.Option(min=1, help="The most suspect rows to show.")] = 20,
) -> None:
    """Look for near duplicates with different labels, and for labels that are likely wrong."""
    answer = session.client.datasets.check(dataset)
    session.output.show(answer, lambda checked: _checked(checked, limit))


def _checked(answer: trainer_pb.CheckDatasetResponse, limit: int) -> RenderableType:
    dataset = answer.dataset
    state = pb.Dataset.State.Name(dataset.state)
    lines: list[RenderableType] = [Text(f"{dataset.name}@{dataset.version} is {state}.")]
    lines += [Text(f"  {finding.code}: {finding.message}") for finding in dataset.findings]
    if answer.suspect_labels:
        lines.append(table(answer.suspect_labels[:limit], _SUSPECTS, "Likely mislabelled"))
        lines.append(Text(f"To correct them: gnomon review {view.short(dataset.name)}"))
    return Group(*lines)


@app.command("list")
@command
def list_(session: Session) -> None:
    """List datasets in their newest version."""
    nothing = "There are no datasets yet. Upload one: gnomon datasets upload ID FILE --metric METRIC"
    session.output.show_list(session.client.datasets.list(), _COLUMNS, nothing)


@app.command("split")
@command
def split(
    session: Session,
    *,
    dataset: Dataset,
    training: Annotated[str, typer.Option(help="ID of the dataset that gets the rows to learn from.")],
    test: Annotated[str, typer.Option(help="ID of the dataset that gets the rows to measure on.")],
    test_share: Annotated[float, typer.Option(help="The share of rows to measure on.")] = 0.3,
    group: Annotated[str | None, typer.Option(help="An extra column whose values stay together.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same split.")] = 0,
) -> None:
    """Divide a dataset into a training set and a test set, stratified by label."""
    answer = session.client.datasets.split(
        dataset, training=training, test=test, test_share=test_share, group=group, seed=seed
    )
    sentence = (
        f"{answer.training_set.name}@{answer.training_set.version} has {answer.training_set.row_count} rows, "
        f"{answer.test_set.name}@{answer.test_set.version} has {answer.test_set.row_count}."
    )
    session.output.done(answer, sentence)


@app.command("download")
@command
def download(
    session: Session,
    *,
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(help="Where to write the rows, as JSON Lines.")],
) -> None:
    """Write the rows of a dataset to a JSON Lines file."""
    session.client.datasets.download(dataset, file)
    session.output.done({"dataset": dataset, "file": str(file)}, f"Wrote {file}.")


@app.command("delete")
@command
def delete(session: Session, *, dataset: Dataset) -> None:
    """Delete a dataset with all its versions."""
    session.client.datasets.delete(dataset)
    session.output.done({"deleted": dataset}, f"Deleted {dataset}.")


@app.command("example")
@local_command
def example(
    session: Session,
    *,
    name: Annotated[str | None, typer.Argument(help="Which; without it, they are listed.")] = None,
    folder: Annotated[Path, typer.Option(help="Where to write the files.")] = Path(),
) -> None:
    """Write the files of an example, to try things without own data; or list the examples."""
    if name is None:
        columns: Columns[examples.Example] = {"example": lambda e: e.name, "metric": lambda e: e.description}
        found = examples.list_examples()
        if session.output.as_json:
            session.output.json([{"name": entry.name, "metric": entry.metric} for entry in found])
        else:
            session.output.show_list(found, columns, "This installation has no examples.")
        return
    files = examples.load(name).write(folder)
    paths = {key: str(path) for key, path in files.items()}
    steps = (
        f"Wrote {', '.join(paths.values())}.\nNext:\n"
        f"  gnomon metrics create {name} --file {paths['metric']}\n"
        f"  gnomon datasets upload {name}-train {paths['training_set']} --metric {name}\n"
        f"  gnomon datasets upload {name}-test {paths['test_set']} --metric {name}"
    )
    session.output.done(paths, steps)
