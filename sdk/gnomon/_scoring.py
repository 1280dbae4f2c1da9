"""From what a user gives to score requests, and from responses to scores. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gnomon import shorthand
from gnomon._requests import refused
from gnomon._retry import is_transient
from gnomon.cells import CellError, is_empty, parsed, read_of
from gnomon.cells import instance as read_cells
from gnomon.convert import instance_to_proto
from gnomon.errors import GnomonError, InstanceInvalidError, InternalError
from gnomon.instances import Instance, Session, Span, Step, Trace, text_span
from gnomon.status import from_status, to_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import scorer_service_pb2 as scorer

Given = Instance | pb.Instance | Mapping[str, Any]  # a mapping: texts as input, output, documents
Outcome = pb.Score | GnomonError

Streamed = Given | GnomonError  # an error stands for a row of which no instance could be made

LANES = {"guardrail": scorer.GUARDRAIL, "online": scorer.ONLINE, "bulk": scorer.BULK}
COLUMNS = ("input", "output", "documents", "tools", "messages", "trace", "session")
BATCH = 64
IN_FLIGHT = 4
_MAX_INSTANCES = 256
_REQUEST_BYTES = 4 * 1024 * 1024  # far below what a service takes; one larger instance goes alone


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a request, as the user wrote them and as versions."""

    given: tuple[str, ...]
    versions: tuple[str, ...]


def metrics_of(metrics: str | Iterable[str]) -> Metrics:
    given = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not given:
        raise refused("metrics", "must name at least one")
    if len(set(given)) < len(given):
        raise refused("metrics", "must not name one twice")
    return Metrics(given, tuple(map(shorthand.metric_version, given)))


@dataclass(frozen=True, slots=True)
class Options:
    """How the requests of one call of the user are made."""

    lane: scorer.Lane = scorer.LANE_UNSPECIFIED
    timeout_s: float | None = None
    hedge_after_s: float | None = None


def options_of(
    lane: str | None = None, timeout_s: float | None = None, hedge_after_s: float | None = None
) -> Options:
    if lane is not None and lane not in LANES:
        raise refused("lane", f"is {lane!r}; it must be one of: {', '.join(LANES)}")
    if hedge_after_s is not None and not hedge_after_s >= 0:
        raise refused("hedge_after_s", f"is {hedge_after_s}; it must be 0 or more")
    return Options(scorer.LANE_UNSPECIFIED if lane is None else LANES[lane], timeout_s, hedge_after_s)


def one_instance(
    instance: Given | None,
    text_in: str | None,
    text_out: str | None,
    documents: Iterable[str],
    messages: Sequence[Mapping[str, Any]] | None = None,
) -> Given:
    """Return the instance, the span of the texts or the session of the messages; one must be given."""
    texts = tuple(documents) if not isinstance(documents, str) else (documents,)
    is_text = text_in is not None or text_out is not None or bool(texts)
    if (instance is not None) + is_text + (messages is not None) != 1:
        raise refused(
            "instance", "must be given, or messages, or texts as input, output and documents; one of these"
        )
    if messages is not None:
        if not messages:
            raise refused("messages", "must hold at least one message")
        given = list(messages) if isinstance(messages, tuple) else messages
        return instance_of({"messages": given}, Step.SESSION)
    return text_span(input=text_in, output=text_out, documents=texts) if instance is None else instance


def instance_of(cells: Mapping[str, Any], step: Step | None = None) -> Instance:
    """Return the instance of `{"input": "…", "documents": ["…", "…"]}` and the like.

    Raises:
        InvalidRequestError: there is something else in it.
        InstanceInvalidError: a cell is malformed.
    """
    try:
        for column in cells:
            if column not in COLUMNS:
                raise refused("instance", f"has {column!r}; there may be: {', '.join(COLUMNS)}")
        there = {column: _text(cell) for column, cell in cells.items() if not is_empty(cell)}
        given = {column: parsed(column, cell) for column, cell in read_of(there, step).items()}
        return read_cells({column: cell for column, cell in given.items() if not is_empty(cell)}, step)
    except CellError as error:
        raise InstanceInvalidError(f"{error.place} {error.what}.", field=error.place) from error


def _text(cell: Any) -> Any:
    return str(cell) if isinstance(cell, int | float) else cell


def message_of(instance: Given) -> pb.Instance:
    """Return the message of an instance.

    Raises:
        InstanceInvalidError: a text in it is none.
        InvalidRequestError: it is no instance at all.
    """
    if isinstance(instance, pb.Instance):
        return instance
    if isinstance(instance, Mapping):
        instance = instance_of(instance)
    if not isinstance(instance, Span | Trace | Session):
        raise refused("instance", f"is a {type(instance).__name__}; it must be a Span, a Trace or a Session")
    try:
        return instance_to_proto(instance)
    except UnicodeEncodeError as error:
        raise InstanceInvalidError(
            "The instance holds half a character (a lone surrogate); replace it.", field="instance"
        ) from error
    except (TypeError, AttributeError) as error:
        raise InstanceInvalidError(
            "The instance holds a value of a wrong type, such as a number for a text.", field="instance"
        ) from error


def messages_of(instances: Iterable[Given]) -> list[pb.Instance | GnomonError]:
    """Return each instance's message, or why there is none."""
    found: list[pb.Instance | GnomonError] = []
    for instance in instances:
        try:
            found.append(message_of(instance))
        except InstanceInvalidError as error:
            found.append(error)
    return found


def request_of(
    metrics: Metrics, instances: Iterable[pb.Instance], lane: scorer.Lane = scorer.LANE_UNSPECIFIED
) -> scorer.ScoreRequest:
    return scorer.ScoreRequest(metric_versions=metrics.versions, instances=instances, lane=lane)


def requests_of(
    metrics: Metrics,
    instances: Iterable[pb.Instance | GnomonError],
    batch: int,
    lane: scorer.Lane = scorer.LANE_UNSPECIFIED,
) -> Iterator[scorer.ScoreRequest]:
    """Yield requests of at most `batch` instances, and of at most 4 MiB where they hold more than one."""
    if not 1 <= batch <= _MAX_INSTANCES:
        raise refused("batch", f"is {batch}; it must be 1 to {_MAX_INSTANCES}")
    messages: list[pb.Instance] = []
    size_bytes = 0
    for message in instances:
        if isinstance(message, GnomonError):
            continue
        more_bytes = message.ByteSize()
        if messages and (len(messages) == batch or size_bytes + more_bytes > _REQUEST_BYTES):
            yield request_of(metrics, messages, lane)
            messages, size_bytes = [], 0
        messages.append(message)
        size_bytes += more_bytes
    if messages:
        yield request_of(metrics, messages, lane)


def rows_of(metrics: Metrics, response: scorer.ScoreResponse) -> list[dict[str, Outcome]]:
    """Return one row an instance: the score, or the error, of each metric by its name as it was given."""
    return [row_of(metrics, result) for result in response.results]


def row_of(metrics: Metrics, result: scorer.InstanceResult) -> dict[str, Outcome]:
    return {name: _outcome(outcome) for name, outcome in zip(metrics.given, result.outcomes, strict=True)}


def _outcome(outcome: scorer.ScoreOutcome) -> Outcome:
    match outcome.WhichOneof("outcome"):
        case "score":
            return outcome.score
        case "error":
            return from_status(outcome.error)
        case _:
            return InternalError("The scorer gave neither a score nor an error.")


def missing_in(response: scorer.ScoreResponse) -> dict[int, list[int]]:
    """Return, by column, the rows whose outcome is an error that time may heal."""
    missing: dict[int, list[int]] = {}
    for row, result in enumerate(response.results):
        for column, outcome in enumerate(result.outcomes):
            if outcome.HasField("error") and is_transient(from_status(outcome.error)):
                missing.setdefault(column, []).append(row)
    return missing


def latest_error(response: scorer.ScoreResponse, rows: Iterable[int], column: int) -> GnomonError:
    """Return the error of those rows that says to come back last."""
    found = (from_status(response.results[row].outcomes[column].error) for row in rows)
    return max(found, key=lambda error: error.retry_after_s or 0.0)


def part_of(request: scorer.ScoreRequest, rows: Iterable[int], column: int) -> scorer.ScoreRequest:
    return scorer.ScoreRequest(
        metric_versions=[request.metric_versions[column]],
        instances=[request.instances[row] for row in rows],
        lane=request.lane,
    )


def fill(
    response: scorer.ScoreResponse, rows: Iterable[int], column: int, answer: scorer.ScoreResponse
) -> None:
    """Put what was answered to `part_of` in its place."""
    for row, result in zip(rows, answer.results, strict=True):
        response.results[row].outcomes[column].CopyFrom(result.outcomes[0])


def fill_error(response: scorer.ScoreResponse, rows: Iterable[int], column: int, error: GnomonError) -> None:
    for row in rows:
        response.results[row].outcomes[column].error.CopyFrom(to_status(error))


def scores_or_raise(row: Mapping[str, Outcome]) -> dict[str, pb.Score]:
    """Return the scores of one instance, or raise the first error among them."""
    scores = {}
    for name, outcome in row.items():
        if isinstance(outcome, GnomonError):
            raise outcome
        scores[name] = outcome
    return scores


def all_failed(
    metrics: Metrics, request: scorer.ScoreRequest, error: GnomonError
) -> list[dict[str, Outcome]]:
    return [dict.fromkeys(metrics.given, error) for _ in request.instances]


def in_order(
    metrics: Metrics, messages: Sequence[pb.Instance | GnomonError], parts: Iterable[list[dict[str, Outcome]]]
) -> list[dict[str, Outcome]]:
    """Return one row an instance, with the errors of those that were never sent."""
    rows = chain.from_iterable(parts)
    return [dict.fromkeys(metrics.given, m) if isinstance(m, GnomonError) else next(rows) for m in messages]
