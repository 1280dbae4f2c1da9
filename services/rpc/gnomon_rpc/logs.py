"""Structured logs on standard error: JSON, one event a line, never a user's text.

Handlers and use cases log names, counts and durations. Request messages are
not logged anywhere: they hold what users wrote.
"""

import logging
import sys
from typing import Any

import structlog


def _forget_what_exceptions_say(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep an exception's type and frames; its message, like its locals, may hold what a user wrote."""
    for exception in event.get("exception", ()):
        exception.pop("exc_value", None)
        exception.pop("exc_notes", None)
    return event


def _is_news(record: logging.LogRecord) -> bool:
    """Tell defects from callers who left before their answer could be sent: gRPC logs both as errors."""
    return not (record.exc_info and getattr(record.exc_info[0], "__name__", "") == "ExecuteBatchError")


def configure(level: str, service: str) -> None:
    """Set up structlog, and send the standard library's records the same way."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        _forget_what_exceptions_say,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # What is below the level costs nothing: every call is logged at debug.
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.contextvars.bind_contextvars(service=service)
