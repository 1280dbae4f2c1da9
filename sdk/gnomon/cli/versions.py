"""`gnomon versions`: the immutable numbered releases of a metric."""

import getpass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from gnomon import report_page
from gnomon.bundle import ONNX_FP32
from gnomon.cli import report, rows, run_reports, view
from gnomon.cli.home import default_home
from gnomon.cli.output import Columns
from gnomon.cli.session import Session, command
from gnomon.convert import step_from_proto
from gnomon.instances import Instance
from gnomon.triton import Serving
from gnomon.v1 import resources_pb2 as pb

if TYPE_CHECKING:
    from gnomon.bundle_checks import Policy

app = typer.Typer(
    name="versions", help="Versions are the numbered releases of a metric.", no_args_is_help=True
)

Version = Annotated[str, typer.Argument(help="The version, such as commitment@3 or commitment@production.")]

_MOST_SAMPLES = 256

_COLUMNS: Columns[pb.MetricVersion] = {
    "version": lambda version: view.short(version.name),
    "aliases": lambda version: ", ".join(version.aliases),
    "macro-F1": lambda version: view.measure(report.find(version.report.measures, "macro_f1")),
    "threshold": lambda version: f"{version.threshold:.3f}",
    "run": lambda version: view.short(version.lineage.run),
    "created": lambda version: view.time(version.create_time),
}


@app.command("list")
@command
def list_(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric.")],
    deleted: Annotated[bool, typer.Option("--deleted", help="List deleted ones as well.")] = False,
) -> None:
    """List the versions of a metric, newest first."""
    nothing = f"{metric} has no versions yet. Train one: gnomon runs create --metric {metric} …"
    session.output.show_list(session.client.versions.list(metric, show_deleted=deleted), _COLUMNS, nothing)


@app.command("get")
@command
def get(session: Session, *, version: Version) -> None:
    """Show a version with its report."""
    session.output.show(session.client.versions.get(version), _shown)


def _shown(version: pb.MetricVersion) -> RenderableType:
    head = view.details(version, without=("report", "bundle"))
    if not version.HasField("report"):
        return head
    return Group(head, "", report.rendered(version.report))


@app.command("report")
@command
def report_(session: Session, *, version: Version, html: run_reports.Page = None) -> None:
    """Show how well a version's evaluator did on its test set."""
    found = session.client.versions.get(version)
    if html is None:
        session.output.show(found.report, report.rendered)
        return
    facts = [f"from {found.lineage.run or 'elsewhere'} · test set {found.lineage.test_set or 'unknown'}"]
    run_reports.write_page(session, html, found.name, report_page.render(found.report, found.name, facts))


@app.command("download")
@command
def download(
    session: Session,
    *,
    version: Version,
    folder: Annotated[Path, typer.Argument(help="The folder to make; it appears whole or not at all.")],
) -> None:
    """Download a version's bundle and verify every file's digest."""
    session.client.versions.download(version, folder)
    session.output.done({"version": version, "folder": str(folder)}, f"Wrote {version} to {folder}.")


@app.command("export-triton")
@command
def export_triton(
    session: Session,
    *,
    version: Version,
    repository: Annotated[
        Path, typer.Argument(help="The model repository; it may hold other models already.")
    ],
    name: Annotated[str | None, typer.Option(help="What Triton calls it; else as the metric.")] = None,
    format_: Annotated[str, typer.Option("--format", help="One that ONNX Runtime reads.")] = ONNX_FP32,
    device: Annotated[str, typer.Option(help="cpu or gpu.")] = "cpu",
    instances: Annotated[int, typer.Option(help="Instances of the model (on each GPU).")] = 1,
    max_batch_size: Annotated[int, typer.Option(help="The largest batch that Triton makes.")] = 32,
) -> None:
    """Add a version to a model repository that a Triton server serves as it is."""
    serving = Serving(device, instances, max_batch_size)
    folder = session.client.versions.export_triton(
        version, repository, name=name, format=format_, serving=serving
    )
    session.output.done({"version": version, "folder": str(folder)}, f"Wrote {version} to {folder}.")


@app.command("build-engine")
@command
def build_engine(
    session: Session,
    *,
    version: Version,
    precision: Annotated[str, typer.Option(help="fp16 or fp32.")] = "fp16",
    max_batch_size: Annotated[int, typer.Option(help="The most instances at once.")] = 32,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Rows for the gate, .jsonl, .csv or .parquet; else texts of the packaged examples.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where engines are kept; else ~/.gnomon/engines.")
    ] = None,
) -> None:
    """Build a version's TensorRT engine for this machine's GPU, and hold it against the reference."""
    engine = session.client.versions.build_engine(
        version,
        cache or default_home() / "engines",
        precision=precision,
        max_batch_size=max_batch_size,
        samples=_samples(session, version, samples) if samples else (),
    )
    done = "Built" if engine.is_new else "Found"
    session.output.done(
        {"version": version, "file": str(engine.file), **engine.about}, f"{done} {engine.file}."
    )


def _samples(session: Session, version: str, file: Path) -> list[Instance]:
    """Return the instances of a file's first rows."""
    name = session.client.versions.get(version).name
    step = step_from_proto(session.client.metrics.get(name.partition("/versions/")[0]).step)
    read = (row for row in rows.read(file) if not row.problem)
    return [rows.instance_of(row.cells, {}, step) for row in islice(read, _MOST_SAMPLES)]


@app.command("register")
@command
def register(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric.")],
    folder: Annotated[Path, typer.Argument(help="The folder of the bundle.", exists=True, file_okay=False)],
    description: Annotated[str, typer.Option(help="What is special about this version.")] = "",
) -> None:
    """Register a bundle as the next version of a metric."""
    version = session.client.versions.create(metric, folder, description=description)
    session.output.done(version, f"Registered {version.name}.")


@app.command("export")
@command
def export(
    session: Session,
    *,
    version: Version,
    file: Annotated[Path, typer.Argument(help="The archive to make: .zip, .tar, .tar.gz or .tgz.")],
) -> None:
    """Write a version's bundle as an archive that another deployment can import."""
    session.client.versions.export_bundle(version, file)
    session.output.done({"version": version, "file": str(file)}, f"Wrote {version} to {file}.")


@app.command("import")
@command
def import_(
    session: Session,
    *,
    metric: Annotated[str, typer.Argument(help="The metric.")],
    path: Annotated[
        Path, typer.Argument(help="A bundle's folder, or an archive of it, with its manifest.", exists=True)
    ],
    description: Annotated[str, typer.Option(help="What is special about this version.")] = "",
    origin: Annotated[
        str | None, typer.Option("--from", help="Where it was made; else its file name.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who imports it; else the user of this machine.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file of what is allowed, checked before sending.", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Register a bundle that was made elsewhere as the next version of a metric, after checks."""
    version = session.client.versions.import_bundle(
        metric,
        path,
        description=description,
        origin=origin,
        importer=by if by is not None else _user(),
        policy=_policy(policy) if policy else None,
    )
    session.output.done(version, f"Registered {version.name}. Its report was not measured here.")


def _policy(file: Path) -> "Policy":
    from gnomon.bundle_checks import read_policy

    try:
        return read_policy(file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process without a name
        return ""


@app.command("delete")
@command
def delete(session: Session, *, version: Version) -> None:
    """Delete a version that no alias points at. Its number is never given again."""
    session.client.versions.delete(version)
    session.output.done(
        {"deleted": version}, f"Deleted {version}. Restore it: gnomon versions undelete {version}"
    )


@app.command("undelete")
@command
def undelete(session: Session, *, version: Version) -> None:
    """Restore a deleted version."""
    restored = session.client.versions.undelete(version)
    session.output.done(restored, f"Restored {restored.name}.")


@app.command("compare")
@command
def compare(session: Session, *, a: Version, b: Version) -> None:
    """Show two versions beside each other."""
    measures = session.client.versions.compare(a, b)
    session.output.show(report.comparison(a, b, measures), lambda _: report.compared(a, b, measures))
