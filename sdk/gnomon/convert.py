"""Between the plain values of `gnomon.instances` and the messages of `gnomon.v1`.

An enum's member goes into a message by its `name`.
"""

from collections.abc import Iterable

from gnomon import instances as plain
from gnomon.errors import InstanceInvalidError
from gnomon.v1 import resources_pb2 as pb


def output_type_from_proto(value: pb.Metric.OutputType) -> plain.OutputType:
    return plain.OutputType[pb.Metric.OutputType.Name(value)]


def step_from_proto(value: pb.Metric.Step) -> plain.Step:
    return plain.Step[pb.Metric.Step.Name(value)]


def input_shape_from_proto(value: pb.Metric.InputShape) -> plain.InputShape:
    return plain.InputShape[pb.Metric.InputShape.Name(value)]


def instance_to_proto(instance: plain.Instance) -> pb.Instance:
    """Return the message of a span, trace or session."""
    if isinstance(instance, plain.Span):
        return pb.Instance(span=_span_to_proto(instance))
    if isinstance(instance, plain.Trace):
        return pb.Instance(trace=_trace_to_proto(instance))
    traces = [_trace_to_proto(trace) for trace in instance.traces]
    return pb.Instance(session=pb.Session(session_id=instance.session_id, traces=traces))


def instance_from_proto(instance: pb.Instance) -> plain.Instance:
    """Return the plain value.

    Raises:
        InstanceInvalidError: the message holds no span, trace or session, or a
            span's kind is not known to this release.
    """
    match instance.WhichOneof("kind"):
        case "span":
            return _span_from_proto(instance.span, None)
        case "trace":
            return _trace_from_proto(instance.trace)
        case "session":
            traces = tuple(_trace_from_proto(trace) for trace in instance.session.traces)
            return plain.Session(traces, instance.session.session_id)
        case _:
            raise InstanceInvalidError(
                "The instance is empty: set a span, a trace or a session.", field="kind"
            )


def _trace_to_proto(trace: plain.Trace) -> pb.Trace:
    return pb.Trace(trace_id=trace.trace_id, spans=[_span_to_proto(span) for span in trace.spans])


def _trace_from_proto(trace: pb.Trace) -> plain.Trace:
    return plain.Trace(
        tuple(_span_from_proto(span, plain.SpanKind.LLM) for span in trace.spans), trace.trace_id
    )


def _span_to_proto(span: plain.Span) -> pb.Span:
    return pb.Span(
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        kind=span.kind.name if span.kind else None,
        input=[_message_to_proto(message) for message in span.input],
        output=[_message_to_proto(message) for message in span.output],
        documents=[pb.Document(id=document.id, content=document.content) for document in span.documents],
        tools=[pb.Tool(tool=t.tool, description=t.description, parameters=t.parameters) for t in span.tools],
        attributes=dict(span.attributes),
    )


def _span_from_proto(span: pb.Span, unstated: plain.SpanKind | None) -> plain.Span:
    if span.kind not in pb.Span.Kind.values():
        raise InstanceInvalidError(f"The span's kind {span.kind} is not known to this release.", field="kind")
    return plain.Span(
        input=_messages_from_proto(span.input),
        output=_messages_from_proto(span.output),
        documents=tuple(plain.Document(document.content, document.id) for document in span.documents),
        tools=tuple(plain.Tool(tool.tool, tool.description, tool.parameters) for tool in span.tools),
        kind=plain.SpanKind[pb.Span.Kind.Name(span.kind)] if span.kind else unstated,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        attributes=tuple(sorted(span.attributes.items())),
    )


def _message_to_proto(message: plain.Message) -> pb.Message:
    calls = [pb.ToolCall(id=c.id, tool=c.tool, arguments=c.arguments) for c in message.tool_calls]
    return pb.Message(
        role=message.role, content=message.content, tool_calls=calls, tool_call_id=message.tool_call_id
    )


def _messages_from_proto(messages: Iterable[pb.Message]) -> tuple[plain.Message, ...]:
    return tuple(
        plain.Message(
            content=message.content,
            role=message.role,
            tool_calls=tuple(plain.ToolCall(c.tool, c.arguments, c.id) for c in message.tool_calls),
            tool_call_id=message.tool_call_id,
        )
        for message in messages
    )
