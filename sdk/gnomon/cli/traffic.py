"""`gnomon traffic`: captured traces of LLM applications, as rows to label and to score."""

import datetime
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon import traffic
from gnomon.cli import problems
from gnomon.cli.output import Output
from gnomon.cli.session import Session, command
from gnomon.instances import SpanKind
from gnomon.traffic import Redaction, Tally
from gnomon.v1 import resources_pb2 as pb

app = typer.Typer(
    name="traffic",
    help="Traffic is what an LLM application did, as its tracer captured it.",
    no_args_is_help=True,
)
_TOLD_EVERY_S = 0.1
_MUCH_BYTES = 64 * 1024 * 1024


class From(StrEnum):
    AUTO = "auto"
    OTLP = "otlp"
    OPENINFERENCE = "openinference"
    PHOENIX = "phoenix"
    LANGFUSE = "langfuse"
    LANGSMITH = "langsmith"


class As(StrEnum):
    SPANS = "spans"
    TRACES = "traces"
    SESSIONS = "sessions"


class Unredacted(StrEnum):
    SECRET = Redaction.SECRET
    EMAIL = Redaction.EMAIL
    CARD = Redaction.CARD
    PHONE = Redaction.PHONE
    ALL = "all"


@app.callback()
def _group() -> None:
    pass  # keeps `import` a command of its own while there is no other


@app.command("import")
@command
def import_(
    session: Session,
    *,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…", help="Exported traces: JSON, JSON Lines, CSV, Parquet, protobuf; also .gz."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write the rows, as .jsonl or .jsonl.gz.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Upload the rows as this dataset, without labels, for a judge to label."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The metric that the dataset is for.")] = None,
    source: Annotated[From, typer.Option("--from", help="What exported them.")] = From.AUTO,
    into: Annotated[As, typer.Option("--as", help="What a row is.")] = As.SPANS,
    since: Annotated[
        str | None, typer.Option(help="Started at this time or later: 2026-11-01, 2026-11-01T09:00+01:00.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Started before this time.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="With this tag; repeat it for several, all of them.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="With this attribute, such as metadata.customer=acme; repeat it."
        ),
    ] = None,
    kind: Annotated[list[SpanKind] | None, typer.Option(help="Of this kind; repeat it for several.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="Of this name; repeat it for several.")] = None,
    sample: Annotated[
        float, typer.Option(help="The share of traces, or sessions, to keep; each whole.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed draws others.")] = 0,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="How many read JSON Lines; one a core where there is much to read."),
    ] = None,
    no_redact: Annotated[
        list[Unredacted] | None, typer.Option(help="Leave these as they are; repeat it.")
    ] = None,
) -> None:
    """Write exported traces as rows: spans, whole traces, or sessions.

    A trace or session is taken whole if one of its spans is what the options
    ask for. E-mail addresses, phone numbers, payment cards and keys are
    replaced by [EMAIL], [PHONE], [CARD] and [SECRET].

    The rows have the columns that `gnomon score-file` reads; so does `gnomon
    datasets upload`, once a column `label` is added, or with --unlabelled.
    --dataset and --metric upload them so at once.
    """
    if (dataset is None) != (metric is None):
        raise typer.BadParameter("--dataset and --metric go together")
    if out is None and dataset is None:
        raise typer.BadParameter("give --out, or --dataset and --metric")
    wanted = traffic.Wanted(
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        tags=tuple(tag or ()),
        where=_pairs(where or ()),
        kinds=tuple(kind or ()),
        names=tuple(name or ()),
        sample=sample,
        seed=seed,
    )
    found = traffic.read(
        files,
        source=source.value,
        into=into.value,
        wanted=wanted,
        redactions=_redactions(no_redact or ()),
        processes=processes or _processes(files),
    )
    with _place_for(out) as place:
        with _shown(session.output) as progress:
            tally = found.write(place, progress)
        told = {**tally.as_dict(), "file": str(out)} if out and tally.rows else tally.as_dict()
        stored = None
        if tally.rows and dataset and metric:
            stored = session.client.datasets.upload(dataset, place, metric=metric, unlabelled=True).dataset
            told["dataset"] = f"{stored.name}@{stored.version}"
    session.output.show(told, lambda _: Group(*_summary(tally, into, out), *_next(stored)))
    if not tally.rows:
        raise typer.Exit(problems.FAILED)


@contextmanager
def _place_for(out: Path | None) -> Iterator[Path]:
    """Yield where to write: the file that was named, or one that is gone afterwards."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "traffic.jsonl"


def _next(stored: pb.Dataset | None) -> list[RenderableType]:
    if stored is None:
        return []
    name = stored.name.partition("/")[2]
    return [
        Text(f"Stored {stored.name}@{stored.version}: {stored.row_count} rows without labels."),
        Text(f"Have them labelled: gnomon judge label {name} --provider PROVIDER"),
    ]


def _time(text: str | None, option: str) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} {text!r} must be a time such as 2026-11-01T09:00+01:00") from None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"--where {pair!r} must read KEY=VALUE, such as service.name=shop")
        if key in pairs:
            raise typer.BadParameter(f"--where names {key!r} twice")
        pairs[key] = value
    return pairs


def _processes(files: Sequence[Path]) -> int:
    """Return one a core, where what there is to read is worth their start."""
    size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return _cores() if size_bytes > _MUCH_BYTES else 1


def _cores() -> int:
    """Return how many cores this process may use; macOS and Windows tell only how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _redactions(left: Sequence[Unredacted]) -> list[str]:
    return [kind for kind in Redaction if Unredacted.ALL not in left and Unredacted(kind) not in left]


@contextmanager
def _shown(output: Output) -> Iterator[Callable[[Tally], None]]:
    """Show how far it is, on a terminal."""
    if not output.notes.is_terminal:
        yield lambda _: None
        return
    last = 0.0
    with output.notes.status("Reading …") as status:

        def tell(tally: Tally) -> None:
            nonlocal last
            if time.monotonic() - last >= _TOLD_EVERY_S:
                last = time.monotonic()
                status.update(f"{tally.rows:,} rows of {tally.spans:,} spans")

        yield tell


def _summary(tally: Tally, into: As, out: Path | None) -> list[RenderableType]:
    counts: dict[str, Any] = tally.as_dict()
    where = f"Wrote {tally.rows} {into.value} into {out}" if out else f"Took {tally.rows} {into.value}"
    lines = [f"{where}, of {tally.spans} spans that were read."]
    if not tally.rows and out:
        lines = [f"No {into.value} came out, so {out} was not written; {tally.spans} spans were read."]
    if counts["left_out"]:
        lines.append(
            "Left out: " + ", ".join(f"{count} {why}" for why, count in counts["left_out"].items()) + "."
        )
    if counts["redacted"]:
        lines.append(
            "Redacted: " + ", ".join(f"{count} {kind}" for kind, count in counts["redacted"].items()) + "."
        )
    if counts["malformed"]:
        lines.append(f"{sum(tally.malformed.values())} could not be read:")
        for reason, entry in counts["malformed"].items():
            more = ", …" if entry["count"] > len(entry["first"]) else ""
            lines.append(f"  {entry['count']} × {reason} ({'; '.join(entry['first'])}{more})")
    return list(map(Text, lines))
