"""OpenTelemetry spans of calls. The only file of this package that imports OpenTelemetry.

Names follow the semantic conventions for RPC and gRPC spans:
https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from opentelemetry import context as contexts
from opentelemetry._logs import Logger
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log = structlog.get_logger(__name__)

_SCOPE = "gnomon"
_LAST_WORDS_S = 3.0
_CARRIED = ("traceparent", "tracestate")
# What is the server's fault, as the conventions have it; the rest is the caller's.
_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


class Spans:
    """A `Watch`: one server span a call, below the caller's span if it sends a `traceparent`.

    `tracer` and `events` are for what a service adds; the span of the call is
    the current one in the task that handles it. `close` blocks.
    """

    def __init__(self, traces: TracerProvider, logs: LoggerProvider) -> None:
        self._traces = traces
        self._logs = logs
        self._propagator = TraceContextTextMapPropagator()
        self.tracer: Tracer = traces.get_tracer(_SCOPE)
        self.events: Logger = logs.get_logger(_SCOPE)

    @classmethod
    def exported(cls, service: str, *, with_traces: bool, with_events: bool) -> "Spans":
        """Return spans that are sent in batches, as OpenTelemetry's variables say where and how.

        `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before the name given here.
        """
        default = Resource({SERVICE_NAME: f"gnomon-{service}"})
        told = Resource.create()
        named = str(told.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
        resource = told.merge(default) if named else told
        traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        if with_traces:
            traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        if with_events:
            logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        log.info("sending spans", traces=with_traces, events=with_events)
        return cls(traces, logs)

    def begin(self, method: str, context: Any) -> Callable[[str], None]:
        name = method.removeprefix("/")
        metadata = context.invocation_metadata() or ()
        carrier = {key: value for key, value in metadata if key in _CARRIED and isinstance(value, str)}
        span = self.tracer.start_span(
            name,
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            {"rpc.system.name": "grpc", "rpc.method": name},
        )
        # For the task of this call, and never undone: it ends with the call, and a stream whose caller
        # left is closed from another task.
        contexts.attach(set_span_in_context(span))

        def end(code: str) -> None:
            span.set_attribute("rpc.response.status_code", code)
            if code in _FAULTS:
                span.set_attribute("error.type", code)
                span.set_status(Status(StatusCode.ERROR))  # no description: it may quote the request
            span.end()

        return end

    def close(self) -> None:
        """Send what waits, and end the threads that do; give up after a while if the collector is away."""
        closing = [
            threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
            for provider in (self._traces, self._logs)
        ]
        for thread in closing:
            thread.start()
        until = time.monotonic() + _LAST_WORDS_S
        for thread in closing:
            thread.join(max(0.0, until - time.monotonic()))
