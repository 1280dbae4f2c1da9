"""How a request was scored, in OpenTelemetry spans and events. No text, no tokens: counts, times, labels.

Below the span of the call: one span for tokenization, and for each version one
for the queue and one for inference. Every score is an event, as the semantic
conventions for generative AI define it:
https://github.com/open-telemetry/semantic-conventions-genai
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.trace import Status, StatusCode

from gnomon.decision import Decision
from gnomon.errors import GnomonError
from gnomon.instances import OutputType
from gnomon.names import MetricVersionName
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.loaded import LoadedVersion
from gnomon_scorer.domain.scheduler import Outcome, Ran
from gnomon_scorer.domain.scores import Scored, ScoreRequest, Scores

EVALUATION = "gen_ai.evaluation.result"

RanBy = Sequence[tuple[LoadedVersion, Outcome]]


@dataclass(frozen=True, slots=True)
class _Moments:
    """From the service's clock to the nanoseconds since 1970 that spans are in."""

    epoch_s: float

    def ns(self, at_s: float) -> int:
        return int((self.epoch_s + at_s) * 1e9)


class OpenTelemetryTracer:
    """A `Tracer`. Of a call whose trace is not recorded it tells the scores, where that is asked for."""

    def __init__(
        self,
        tracer: trace.Tracer,
        events: Logger,
        *,
        tells: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tells`: whether scores become events; None: those of calls whose trace is recorded."""
        self._tells = tells
        self._tracer = tracer
        self._events = events
        self._clock = clock

    @contextlib.contextmanager
    def loading(self, name: MetricVersionName) -> Iterator[None]:
        """Below the call that asks for the version; a trace of its own where an alias moved to it.

        What is fetched from the registry meanwhile is below it.
        """
        span = self._tracer.start_span("load", attributes={"gnomon.metric_version": str(name)})
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except Exception as error:
                reason = error.reason if isinstance(error, GnomonError) else type(error).__name__
                span.set_attribute("error.type", reason)
                span.set_status(Status(StatusCode.ERROR))  # no description: it may quote a bundle
                raise

    def scored(self, request: ScoreRequest, scores: Scores, began: float, ran: RanBy) -> None:
        call = trace.get_current_span()
        tells = self._tells if request.tells_scores is None else request.tells_scores
        if not (call.is_recording() or tells):
            return
        scored = [one for row in scores.outcomes for one in row if isinstance(one, Scored)]
        for one in scored:
            if tells is not False:
                self._events.emit(_evaluation(one))
        if request.lane is Lane.BULK or not call.is_recording():
            return  # thousands of parts in one trace help nobody
        call.set_attributes(
            {
                "gnomon.lane": request.lane.name.lower(),
                "gnomon.instances": len(request.readers),
                "gnomon.scores": len(scored),
                "gnomon.tokens": sum(one.token_count for one in scored),
                "gnomon.cached": sum(one.is_cached for one in scored),
            }
        )
        moments = _Moments(time.time() - self._clock())
        queued = began + scores.timing.tokenization_s
        self._span("tokenize", moments.ns(began), moments.ns(queued), {})
        for version, rows in _by_version(ran):
            self._version(version, rows, queued, moments)

    def _version(self, version: LoadedVersion, rows: list[Ran], queued: float, moments: _Moments) -> None:
        """Tell of one version: waiting until its first batch began, then running until its last one ended.

        A sequence is what runs: an instance, or a window of one.
        """
        first = moments.ns(queued + min(row.queue_s for row in rows))
        last = moments.ns(queued + max(row.queue_s + row.inference_s for row in rows))
        of: dict[str, str | int] = {"gnomon.metric_version": str(version.name), "gnomon.sequences": len(rows)}
        self._span("queue", moments.ns(queued), first, of)
        batches: dict[str, str | int] = {
            "gnomon.format": version.format,
            "gnomon.batches": len({(row.queue_s, row.inference_s) for row in rows}),
            "gnomon.batch.sequences": max(row.batch_instances for row in rows),
        }
        self._span("inference", first, last, of | batches)

    def _span(self, name: str, start_ns: int, end_ns: int, attributes: dict[str, str | int]) -> None:
        self._tracer.start_span(name, attributes=attributes, start_time=start_ns).end(end_ns)


def _by_version(ran: RanBy) -> Iterator[tuple[LoadedVersion, list[Ran]]]:
    rows: dict[LoadedVersion, list[Ran]] = {}
    for version, outcome in ran:
        if isinstance(outcome, Ran):
            rows.setdefault(version, []).append(outcome)
    yield from rows.items()


def _evaluation(scored: Scored) -> LogRecord:
    return LogRecord(
        timestamp=time.time_ns(),
        severity_number=SeverityNumber.INFO,
        event_name=EVALUATION,
        attributes={
            "gen_ai.evaluation.name": scored.version.metric,
            "gen_ai.evaluation.score.value": _value(scored, scored.decision),
            "gen_ai.evaluation.score.label": scored.decision.label,
            "gnomon.metric_version": str(scored.version),
            "gnomon.flagged": scored.decision.flagged,
            "gnomon.tokens": scored.token_count,
        },
    )


def _value(scored: Scored, decision: Decision) -> float:
    """Return the probability of `true`, or of the label where there are other classes."""
    evaluator = scored.evaluator
    label = "true" if evaluator.output_type is OutputType.BOOLEAN else decision.label
    return decision.probabilities[evaluator.classes.index(label)]
