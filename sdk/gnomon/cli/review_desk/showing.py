"""How a row reads on the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from gnomon.cli.review_desk.choosing import numbered
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import reviews_pb2 as pb

_KEPT = {"\n", "\t"}


def plain(text: str) -> str:
    """Return what users wrote without characters that would steer the terminal."""
    return "".join(c if c.isprintable() or c in _KEPT else "\N{REPLACEMENT CHARACTER}" for c in text)


def row(item: pb.ReviewItem) -> RenderableType:
    """Return a row: what is judged, its other columns, and why it is asked."""
    return Group(*_instance(item.instance), *_columns(item.columns), *_why(item))


def _instance(instance: resources.Instance) -> Iterator[RenderableType]:
    match instance.WhichOneof("kind"):
        case "span":
            yield from _span(instance.span)
        case "trace":
            for number, span in enumerate(instance.trace.spans, 1):
                yield from _part(f"span {number}", _span(span))
        case "session":
            for number, trace in enumerate(instance.session.traces, 1):
                for span in trace.spans:
                    yield from _part(f"turn {number}", _span(span))


def _part(name: str, parts: Iterator[RenderableType]) -> Iterator[RenderableType]:
    yield Rule(name, style="dim", align="left")
    yield from parts


def _span(span: resources.Span) -> Iterator[RenderableType]:
    for number, document in enumerate(span.documents, 1):
        yield from _said(f"document {number}", document.content, "dim")
    for tool in span.tools:
        yield from _said("tool on offer", f"{tool.tool}: {tool.description}", "dim")
    for default, messages in (("input", span.input), ("output", span.output)):
        for message in messages:
            yield from _message(message, default)


def _message(message: resources.Message, default: str) -> Iterator[RenderableType]:
    calls = [f"→ {call.tool}({call.arguments})" for call in message.tool_calls]
    yield from _said(message.role or default, "\n".join(filter(None, [message.content, *calls])), "")


def _said(who: str, text: str, style: str) -> Iterator[RenderableType]:
    yield Text(plain(who), style="bold cyan")
    yield Padding(Text(plain(text), style=style), (0, 0, 1, 2))


def _columns(columns: Mapping[str, str]) -> Iterator[RenderableType]:
    for name, cell in sorted(columns.items()):
        yield Text.assemble((f"{plain(name)}  ", "dim"), plain(cell))


def _why(item: pb.ReviewItem) -> Iterator[RenderableType]:
    if not item.label:
        return  # a blind review
    yield Text.assemble(("\nlabelled  ", "dim"), (plain(item.label), "bold"))
    if item.expected_label and item.expected_label != item.label:
        yield Text.assemble(
            ("probe     ", "dim"),
            f"{plain(item.expected_label)} ({item.expected_probability:.2f}), "
            f"{plain(item.label)} ({item.label_probability:.2f})",
        )
    if item.judge_label:
        yield Text.assemble(("judge     ", "dim"), plain(item.judge_label))


def classes(labels: Sequence[str], found: Sequence[str]) -> RenderableType:
    """Return those of the classes that were found, in that order, with what to type for each."""
    keys = {label: key for key, label in numbered(labels)}
    shown = [Text.assemble((f"{keys[label]} ", "bold yellow"), plain(label)) for label in found]
    return Columns(shown, padding=(0, 3), column_first=True)


def rubric(labels: Sequence[str], rubrics: Mapping[str, str]) -> RenderableType:
    """Return when a row belongs to each class."""
    lines: list[RenderableType] = []
    for key, label in numbered(labels):
        lines.append(Text.assemble((f"{key} ", "bold yellow"), (plain(label), "bold")))
        lines.append(Padding(Text(plain(rubrics.get(label, "")) or "(no rubric)", style="dim"), (0, 0, 1, 3)))
    return Group(*lines)
