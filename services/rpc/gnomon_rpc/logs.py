"""Structured logs on standard error: JSON, one event a line, never a user's text.

Handlers and use cases log names, counts and durations. Request messages are
not logged anywhere: they hold what users wrote. What looks like a secret, or is
called one, is replaced whoever logs it; see `log_redaction`.
"""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog

from gnomon_rpc.log_redaction import redacted

log = structlog.get_logger(__name__)


def _forget_what_exceptions_say(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Keep an exception's type and frames; its message, like its locals, may hold what a user wrote."""
    if "exception" in event:
        event["exception"] = _bare(event["exception"])
    return event


def _forget_what_is_quoted(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take what an exception says out of the line that tells of it; `asyncio` shows whole tasks."""
    text = event.get("event")
    if not isinstance(text, str):
        return event
    if event.get("logger") == "asyncio":
        text = text.partition("\n")[0].partition("(")[0]
    error = event.get("exc_info")
    error = error[1] if isinstance(error, tuple) else sys.exc_info()[1] if error is True else error
    if isinstance(error, BaseException) and (said := str(error)):
        text = text.replace(said, "…")
    event["event"] = text
    return event


def _bare(stacks: Any) -> list[dict[str, Any]]:
    """Return stacks with those of the exceptions that a group holds, which have messages as well."""
    bare = []
    for stack in stacks:
        kept = {name: stack[name] for name in ("exc_type", "is_cause", "is_group", "frames") if name in stack}
        if stack.get("exceptions"):
            kept["exceptions"] = [_bare(group) for group in stack["exceptions"]]
        bare.append(kept)
    return bare


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
        _forget_what_is_quoted,
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
                redacted,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    _tell_of_ends()
    structlog.contextvars.bind_contextvars(service=service)


def _tell_of_ends() -> None:
    """Log what ends the process or a thread: Python itself would print the exception's message."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            log.critical("the process ends with a defect", exc_info=(kind, error, trace))
        else:
            sys.__excepthook__(kind, error, trace)  # an interrupt, or an end as it was asked for

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is not None and issubclass(ended.exc_type, Exception):
            told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
            log.critical("a thread ends with a defect", exc_info=told)

    sys.excepthook = of_process
    threading.excepthook = of_thread
