"""The trainer's work in OpenTelemetry spans. No text: names of resources, counts, reasons.

A run goes on in the trace of the call that created it, stage by stage. What
asks a provider thousands of times does not: each of its calls is a trace of its
own with a link to the work, so that none grows without end. Calls of providers
follow the semantic conventions for generative AI:
https://github.com/open-telemetry/semantic-conventions-genai
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gnomon_trainer.domain.chat import ChatAnswer, Endpoint
from gnomon_trainer.domain.tracing import AskSpan, Attributes, WorkSpan

_PARENT = "traceparent"
_work: ContextVar[Span | None] = ContextVar("gnomon_work", default=None)


class OpenTelemetryTracing:
    """A `Tracing`."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def here(self) -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(_PARENT, "")

    @contextlib.contextmanager
    def work(self, name: str, trace: str, attributes: Attributes) -> Iterator[WorkSpan]:
        parent = self._propagator.extract({_PARENT: trace} if trace else {}, contexts.Context())
        span = self._tracer.start_span(name, parent, SpanKind.CONSUMER, dict(attributes))
        token = _work.set(span)
        told = _Work(self._tracer, span)
        try:
            yield told
        finally:
            told.end()
            _work.reset(token)

    @contextlib.contextmanager
    def asking(self, endpoint: Endpoint) -> Iterator[AskSpan]:
        work = _work.get()
        apart = work is not None and work.is_recording()  # else it is sampled as its call is
        span = self._tracer.start_span(
            f"chat {endpoint.model}",
            contexts.Context() if apart else None,
            SpanKind.CLIENT,
            _asked(endpoint),
            [Link(work.get_span_context())] if work is not None and apart else None,
        )
        try:
            yield _Ask(span)
        except BaseException:
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()


class _Work:
    """A `WorkSpan`. The span of the stage is the current one; used by one thread or task."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._within = trace.set_span_in_context(span)
        self._token = contexts.attach(self._within)
        self._stage: Span | None = None

    def stage(self, name: str) -> None:
        self._end_stage()
        self._stage = self._tracer.start_span(name, self._within)
        self._enter(trace.set_span_in_context(self._stage))

    def note(self, name: str, attributes: Attributes) -> None:
        (self._stage or self._span).add_event(name, dict(attributes))

    def left(self, state: str, reason: str = "") -> None:
        self._span.set_attribute("gnomon.state", state)
        if reason:
            self._span.set_attribute("error.type", reason)
            self._span.set_status(Status(StatusCode.ERROR))  # no description: it may quote a user

    def end(self) -> None:
        self._end_stage()
        contexts.detach(self._token)
        self._span.end()

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.end()
            self._stage = None
            self._enter(self._within)

    def _enter(self, context: contexts.Context) -> None:
        contexts.detach(self._token)
        self._token = contexts.attach(context)


class _Ask:
    """An `AskSpan`. What the endpoint calls its model is left out: it may answer anything there."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, answer: ChatAnswer) -> None:
        self._span.set_attributes(
            {
                "gen_ai.usage.input_tokens": answer.input_tokens,
                "gen_ai.usage.output_tokens": answer.output_tokens,
            }
        )

    def failed(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)


def _asked(endpoint: Endpoint) -> dict[str, str | int]:
    url = urlsplit(endpoint.base_url)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # the API that it speaks: who is behind it is not known
        "gen_ai.request.model": endpoint.model,
        "server.address": url.hostname or "",
        "server.port": url.port or (80 if url.scheme == "http" else 443),
        "gnomon.provider": endpoint.provider,
    }
