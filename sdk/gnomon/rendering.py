"""From an instance to the text, or pair of texts, that an evaluator reads. Pure.

The trainer and the scorer both call `render`, so that an evaluator is served
what it was trained on. A template's output never changes once it is released:
a better one gets the next number, and old versions keep theirs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gnomon.errors import InstanceInvalidError
from gnomon.fitting import Part
from gnomon.instances import InputShape, Instance, Message, Session, Span, SpanKind, Step, Trace
from gnomon.transcripts import transcript

_KIND_OF_STEP = {
    Step.LLM_SPAN: SpanKind.LLM,
    Step.RETRIEVER_SPAN: SpanKind.RETRIEVER,
    Step.TOOL_SPAN: SpanKind.TOOL,
    Step.AGENT_SPAN: SpanKind.AGENT,
}
_OF_PARTS = {"whole-trace/2", "whole-session/2"}
_SECOND = {InputShape.WHOLE_TRACE, InputShape.WHOLE_SESSION}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the tokenizer gets: one text, or two that it joins with its separator.

    `windowed`: which of the two is read in windows where both are too long for
    one: 0 for `text`, 1 for `pair`. The other is what is judged, and is kept
    whole in each window.

    `parts`: what `text` consists of, in order, where it is not simply cut at
    its end but shortened part by part; see `gnomon.fitting`.
    """

    text: str
    pair: str | None = None
    windowed: int = 0
    parts: tuple[Part, ...] = ()


def template_for(shape: InputShape) -> str:
    """Return the newest template of an input shape, such as `input-output/1`."""
    return f"{shape.value.replace('_', '-')}/{2 if shape in _SECOND else 1}"


def is_template(template: str) -> bool:
    """Tell whether this release of Gnomon can render the template."""
    return template in _TEMPLATES


def shortens(template: str) -> bool:
    """Tell whether what a template renders is shortened part by part where it is too long."""
    return template in _OF_PARTS


def render(instance: Instance, template: str, step: Step) -> Rendered:
    """Render an instance with a template of this module.

    A trace is also a session of one trace, and the other way round.

    Raises:
        InstanceInvalidError: the instance is of another kind than the step, or
            lacks a part that the template reads.
    """
    instance = _of_step(instance, step)
    return _TEMPLATES[template](instance)


def _of_step(instance: Instance, step: Step) -> Instance:
    if step is Step.SESSION and isinstance(instance, Trace):
        return Session((instance,))
    if step is Step.TRACE and isinstance(instance, Session) and len(instance.traces) == 1:
        return instance.traces[0]
    wanted = {Step.TRACE: Trace, Step.SESSION: Session}.get(step, Span)
    if not isinstance(instance, wanted):
        raise InstanceInvalidError(
            f"The metric scores a {wanted.__name__.lower()}; the instance is a "
            f"{type(instance).__name__.lower()}.",
            field="instance",
        )
    kind = _KIND_OF_STEP.get(step)
    if isinstance(instance, Span) and kind and instance.kind and instance.kind is not kind:
        raise InstanceInvalidError(
            f"The metric scores spans of kind {kind.name}; the span is of kind {instance.kind.name}.",
            field="span.kind",
        )
    return instance


def _span(instance: Instance) -> Span:
    assert isinstance(instance, Span)
    return instance


def _read(part: str, text: str) -> str:
    """Return the text, or refuse an instance in which there is nothing to read."""
    if not text.strip():
        raise InstanceInvalidError(
            f"The metric reads the {part} of a span; this one has none.", field=f"span.{part}"
        )
    return text


def _calls(message: Message) -> Iterable[str]:
    return (f"{call.tool}({call.arguments})" for call in message.tool_calls)


def _plain(messages: tuple[Message, ...]) -> str:
    """A single message is its text; several are a transcript with roles."""
    if len(messages) == 1:
        return "\n".join([*filter(None, [messages[0].content]), *_calls(messages[0])])
    return "\n".join(_turns(messages))


def _turns(messages: Iterable[Message]) -> Iterable[str]:
    for message in messages:
        role = message.role or "user"
        if message.content:
            yield f"{role}: {message.content}"
        for call in _calls(message):
            yield f"{role} calls {call}"


def _input(span: Span) -> str:
    return _read("input", _plain(span.input))


def _output(span: Span) -> str:
    return _read("output", _plain(span.output))


def _documents(span: Span) -> str:
    return _read("documents", "\n\n".join(document.content for document in span.documents))


def _tools(span: Span) -> str:
    lines = (" ".join(filter(None, (t.tool, t.description, t.parameters))) for t in span.tools)
    return _read("tools", "\n".join(lines))


def _input_1(instance: Instance) -> Rendered:
    return Rendered(_input(_span(instance)))


def _output_1(instance: Instance) -> Rendered:
    return Rendered(_output(_span(instance)))


def _input_output_1(instance: Instance) -> Rendered:
    span = _span(instance)
    return Rendered(_input(span), _output(span))


def _documents_input_1(instance: Instance) -> Rendered:
    span = _span(instance)
    return Rendered(_input(span), _documents(span), windowed=1)


def _documents_input_output_1(instance: Instance) -> Rendered:
    # What is judged comes first and whole: a pair is cut at its longer part, which the documents are.
    span = _span(instance)
    return Rendered(f"{_input(span)}\n{_output(span)}", _documents(span), windowed=1)


def _tools_input_output_1(instance: Instance) -> Rendered:
    span = _span(instance)
    return Rendered(f"{_input(span)}\n{_output(span)}", _tools(span), windowed=1)


def _trace_lines(trace: Trace) -> Iterable[str]:
    """One line a step. Repeated history is left out: an LLM span's input holds all earlier turns."""
    said: set[str] = set()
    for span in trace.spans:
        kind = span.kind or SpanKind.LLM
        for line in (*_turns(span.input), *_turns(span.output)):
            if line not in said:
                said.add(line)
                yield line if kind is SpanKind.LLM else f"[{kind.value}] {line}"
        for document in span.documents:
            yield f"[{kind.value}] document: {document.content}"


def _whole_trace_1(instance: Instance) -> Rendered:
    assert isinstance(instance, Trace)
    return Rendered(_transcript("trace", _trace_lines(instance)))


def _whole_session_1(instance: Instance) -> Rendered:
    assert isinstance(instance, Session)
    return Rendered(_transcript("session", (line for t in instance.traces for line in _trace_lines(t))))


def _transcript(what: str, lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    if not text.strip():
        raise InstanceInvalidError(f"The {what} holds no message to read.", field=what)
    return text


def _whole_2(instance: Instance) -> Rendered:
    assert isinstance(instance, Trace | Session)
    text, parts = transcript(instance)
    if not text.strip():
        what = type(instance).__name__.lower()
        raise InstanceInvalidError(f"The {what} holds no message to read.", field=what)
    return Rendered(text, parts=parts)


_TEMPLATES: dict[str, Callable[[Instance], Rendered]] = {
    "input/1": _input_1,
    "output/1": _output_1,
    "input-output/1": _input_output_1,
    "documents-input/1": _documents_input_1,
    "documents-input-output/1": _documents_input_output_1,
    "tools-input-output/1": _tools_input_output_1,
    "whole-trace/1": _whole_trace_1,
    "whole-session/1": _whole_session_1,
    "whole-trace/2": _whole_2,
    "whole-session/2": _whole_2,
}
