"""A trace or a session as one transcript: who said what, which tool was called, what it gave back. Pure.

What the templates `whole-trace/2` and `whole-session/2` write, a part a line:

    system: You help customers.
    user: Please cancel order 7.
    assistant calls cancel_order(order: 7)
    cancel_order returns status: cancelled
    [retriever] user: cancellation policy
    [retriever] document: Orders can be cancelled within a day.
    assistant: It is cancelled.

- Spans in the order they started; the output of a span that holds others comes
  after theirs. Spans of retrievers and tools have their kind in brackets.
- Each turn once: the input of an LLM or agent span repeats the conversation up
  to it, and what was said already is left out. So is a tool's span whose result
  comes as a message as well.
- A result is of the tool whose call it names, else of the oldest call without one.
- Of JSON in arguments and results only the words are written, without quotes,
  brackets and braces: many of its tokens would be punctuation.
- `gnomon.fitting` says what goes first where it is too long; the last turns are
  the last `_LAST_TURNS` messages and calls.
"""

from collections.abc import Iterator, Sequence

from gnomon.fitting import Part, Rank
from gnomon.instances import Message, Session, Span, SpanKind, ToolCall, Trace

_LAST_TURNS = 4
_SYSTEM_ROLES = {"system", "developer"}
_RESULT_ROLES = {"tool", "function"}
_JSON_MARKS = str.maketrans("", "", '"{}[]')

Line = tuple[str, Rank]


def transcript(instance: Trace | Session) -> tuple[str, tuple[Part, ...]]:
    """Return the text and the parts it consists of; both are empty if there is nothing to read."""
    traces = instance.traces if isinstance(instance, Session) else (instance,)
    lines = _ranked([line for line in _Writer(traces).lines() if line[0]])
    text = "\n".join(line for line, _ in lines)
    ends = [1] * (len(lines) - 1) + [0]  # the line's end belongs to the line
    return text, tuple(Part(len(line) + end, rank) for (line, rank), end in zip(lines, ends, strict=False))


def _ranked(lines: list[Line]) -> list[Line]:
    """Raise the first request of a user and the last turns above the other turns."""
    turns = [i for i, (_, rank) in enumerate(lines) if rank is Rank.TURN]
    requests = (i for i in turns if lines[i][0].startswith("user: "))
    for i in {*turns[-_LAST_TURNS:], next(requests, -1)} - {-1}:
        lines[i] = (lines[i][0], Rank.LAST)
    return lines


class _Writer:
    """Writes traces down, and knows what it wrote already."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self._traces = traces
        self._said: list[Message] = []  # the conversation, without what the application tells its model
        self._told: set[str] = set()  # that
        self._called: dict[str, str] = {}  # from the IDs of calls without a result to their tools
        self._brought = {
            message.content
            for trace in traces
            for span in trace.spans
            if _is_conversation(span)
            for message in span.input
            if message.role in _RESULT_ROLES
        }

    def lines(self) -> Iterator[Line]:
        for trace in self._traces:
            yield from self._trace(trace)

    def _trace(self, trace: Trace) -> Iterator[Line]:
        held = _Held()
        for span in trace.spans:
            for ended in held.until(span):
                yield from self._messages(ended, ended.output)
            if span.kind is SpanKind.TOOL and any(m.content in self._brought for m in span.output):
                continue
            yield from self._messages(span, span.input)
            yield from (
                (f"[{span.kind or SpanKind.LLM}] document: {d.content}", Rank.RESULT) for d in span.documents
            )
            held.add(span)
        for ended in held.until(None):
            yield from self._messages(ended, ended.output)

    def _messages(self, span: Span, messages: Sequence[Message]) -> Iterator[Line]:
        if not _is_conversation(span):
            for message in messages:
                yield from ((f"[{span.kind}] {line}", Rank.RESULT) for line, _ in self._lines(message))
            return
        for message in messages:
            if message.role in _SYSTEM_ROLES and message.content not in self._told:
                self._told.add(message.content)
                yield (f"system: {message.content}" if message.content else ""), Rank.SYSTEM
        for message in self._new([m for m in messages if m.role not in _SYSTEM_ROLES]):
            self._said.append(message)
            yield from self._lines(message)

    def _new(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return what was not said yet of messages that may begin with the conversation, or its end."""
        count = len(self._said)
        if list(messages[:count]) == self._said:
            return messages[count:]
        ends = [i for i, message in enumerate(messages, 1) if message == self._said[-1]]
        return messages[ends[-1] :] if ends else messages

    def _lines(self, message: Message) -> Iterator[Line]:
        if message.role in _RESULT_ROLES:
            yield f"{self._tool_of(message)} returns {_plain(message.content) or 'nothing'}", Rank.RESULT
            return
        role = message.role or "user"
        if message.content:
            yield f"{role}: {message.content}", Rank.TURN
        for call in message.tool_calls:
            self._called[call.id or f"\0{len(self._called)}"] = call.tool
            yield f"{role} calls {_call(call)}", Rank.TURN

    def _tool_of(self, message: Message) -> str:
        call_id = message.tool_call_id
        if call_id not in self._called:
            call_id = next(iter(self._called), "")
        return self._called.pop(call_id, "tool")


class _Held:
    """Spans whose output waits for the spans that they hold, outermost first."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._places: dict[str, int] = {}  # by ID, of those that wait
        self._ended: set[str] = set()

    def add(self, span: Span) -> None:
        self._places[span.span_id] = len(self._spans)
        self._spans.append(span)

    def until(self, span: Span | None) -> Iterator[Span]:
        """Yield those that have ended when a span starts, innermost first; all if none does."""
        depth = self._depth(span.parent_span_id) if span else 0
        while len(self._spans) > depth:
            ended = self._spans.pop()
            self._ended.add(ended.span_id)
            if self._places.get(ended.span_id) == len(self._spans):
                del self._places[ended.span_id]
            yield ended

    def _depth(self, parent: str) -> int:
        """Return how many go on where a span of this parent starts."""
        if parent and parent in self._places:
            return self._places[parent] + 1
        if parent and parent in self._ended and self._spans:  # it ran beside others: only its sibling ends
            return len(self._spans) - (self._spans[-1].parent_span_id == parent)
        return 0


def _is_conversation(span: Span) -> bool:
    return span.kind in {None, SpanKind.LLM, SpanKind.AGENT}


def _call(call: ToolCall) -> str:
    return f"{call.tool}({_plain(call.arguments)})"


def _plain(text: str) -> str:
    """Return the words of JSON; other text as it is."""
    return text.translate(_JSON_MARKS).strip() if text.lstrip()[:1] in {"{", "["} else text
