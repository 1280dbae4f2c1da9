"""`gnomon score`: one pasted instance, or a whole file."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.console import Group, RenderableType
from rich.text import Text

from gnomon._scoring import instance_of
from gnomon.cli import problems
from gnomon.cli.datasets import Mapping, parse_columns
from gnomon.cli.output import grid
from gnomon.cli.score_file import run
from gnomon.cli.session import Session, command
from gnomon.convert import instance_to_proto
from gnomon.errors import InvalidRequestError
from gnomon.instances import Step, text_span
from gnomon.text_files import parsed
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer_pb

_FILE = "A whole file"
_ONE = "One instance"


@command
def score(
    session: Session,
    *,
    metrics: Annotated[
        list[str],
        typer.Argument(help="Metrics: commitment (its alias production), commitment@3, tone@shadow."),
    ],
    input_text: Annotated[
        str | None, typer.Option("--input", help="What went in.", rich_help_panel=_ONE)
    ] = None,
    output_text: Annotated[
        str | None, typer.Option("--output", help="What came out.", rich_help_panel=_ONE)
    ] = None,
    document: Annotated[
        list[str] | None, typer.Option(help="A document of the context; repeat it.", rich_help_panel=_ONE)
    ] = None,
    instance: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with a span, a trace, a session or a chat's messages.", rich_help_panel=_ONE
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Rows as CSV, JSON Lines (also .gz) or Parquet.", rich_help_panel=_FILE),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the rows with their scores.", rich_help_panel=_FILE)
    ] = None,
    column: Mapping = None,
) -> None:
    """Score one instance, or every row of a file.

    A file's columns are input, output, documents, messages, trace or session; all
    others are kept. Every metric adds its label, whether it is flagged, the
    probability of each class, its version, and why a row has no score. For a file
    it is `gnomon score-file`.
    """
    texts = input_text is not None or output_text is not None or bool(document)
    if sum((texts, instance is not None, file is not None)) != 1:
        raise typer.BadParameter("give one of: --input/--output/--document, --instance, --file")
    if (file is None) != (out is None):
        raise typer.BadParameter("--file and --out belong together")
    if file is not None and out is not None:
        run(session, metrics, file, out, parse_columns(column))
        return
    span = text_span(input=input_text, output=output_text, documents=tuple(document or ()))
    given = read_instance(instance) if instance else instance_to_proto(span)
    response = session.client.score_batch(metrics, [given])
    session.output.show(response, lambda answer: _scored(metrics, answer))
    if any(outcome.HasField("error") for outcome in response.results[0].outcomes):
        raise typer.Exit(problems.FAILED)


def read_instance(path: Path) -> pb.Instance:
    """Read an instance, a bare span, trace or session, or a chat's messages, from a JSON file."""
    try:
        raw = parsed(path.read_text(encoding="utf-8"))
        if raw and (isinstance(raw, list) or (isinstance(raw, dict) and "messages" in raw)):
            return instance_to_proto(instance_of({"messages": raw}, Step.SESSION))
        if not isinstance(raw, dict):
            raise TypeError("it is not a JSON object")
        if not raw.keys() & {"span", "trace", "session"}:
            kind = "session" if "traces" in raw else "trace" if "spans" in raw else "span"
            raw = {kind: raw}
        return json_format.ParseDict(raw, pb.Instance())
    except (ValueError, TypeError, json_format.ParseError) as error:
        raise InvalidRequestError(f"{path} does not hold an instance: {error}") from error


def _scored(metrics: list[str], response: scorer_pb.ScoreResponse) -> RenderableType:
    parts: list[RenderableType] = []
    for metric, outcome in zip(metrics, response.results[0].outcomes, strict=True):
        if outcome.HasField("error"):
            parts += [Text(metric, style="bold"), Text(f"  error: {outcome.error.message}")]
        else:
            parts += [_one_score(outcome.score)]
    timing = response.timing
    spent = {
        "tokenization": timing.tokenization_duration,
        "queue": timing.queue_duration,
        "inference": timing.inference_duration,
    }
    times = ", ".join(f"{key} {value.ToNanoseconds() / 1e6:.1f} ms" for key, value in spent.items())
    return Group(*parts, Text(times, style="dim"))


def _one_score(result: pb.Score) -> RenderableType:
    verdict = "flagged" if result.flagged else "not flagged"
    if result.abstained:
        verdict = f"abstained, otherwise {verdict}"
    head = Text.assemble(
        (result.label, "bold"), f"  {verdict} at threshold {result.threshold:.3f}  ({result.metric_version})"
    )
    bars = [
        (entry.label, f"{entry.probability:6.3f}  {'█' * round(entry.probability * 40)}")
        for entry in result.classes
    ]
    read = f"{result.token_count} tokens read" + (", the rest was cut" if result.truncated else "")
    return Group(head, grid(bars), Text(read, style="dim"))
