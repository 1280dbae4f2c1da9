"""`gnomon.v1.ScorerService`: from messages to the domain and back."""

import asyncio
import functools
import time
from typing import Any

from google.protobuf import duration_pb2

from gnomon.convert import instance_from_proto
from gnomon.errors import GnomonError, InstanceInvalidError, InvalidRequestError, Violation
from gnomon.instances import Instance
from gnomon.names import MetricVersionName
from gnomon.status import to_status
from gnomon.v1 import resources_pb2, scorer_service_pb2_grpc
from gnomon.v1 import scorer_service_pb2 as pb
from gnomon_rpc.caller import current
from gnomon_rpc.pages import make_token, page_size, read_token
from gnomon_rpc.required import check_required
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.ports import Trial, Tuning
from gnomon_scorer.domain.scores import Scored, ScoreRequest, Scores, Timing
from gnomon_scorer.domain.scoring import ScoringService
from gnomon_scorer.domain.versions import Slot, State, Versions

SERVICE = "gnomon.v1.ScorerService"
# Instances are refused one by one.
PER_ITEM = {f"/{SERVICE}/{method}": frozenset({"instances"}) for method in ("Score", "ScoreStream")}
CALLER_HEADER = "x-gnomon-caller"
EVENTS_HEADER = "x-gnomon-evaluation-events"
QUICK_OUTCOMES = 64  # a response of more is put together beside the event loop

_STATES = {
    State.LOADING: pb.LoadedVersion.LOADING,
    State.READY: pb.LoadedVersion.READY,
    State.FAILED: pb.LoadedVersion.FAILED,
}


class ScorerApi(scorer_service_pb2_grpc.ScorerServiceServicer):
    def __init__(self, scoring: ScoringService, versions: Versions) -> None:
        self._scoring = scoring
        self._versions = versions

    async def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:  # noqa: N802
        remaining_s = context.time_remaining()
        names = tuple(
            MetricVersionName.parse(name, f"metric_versions[{index}]")
            for index, name in enumerate(request.metric_versions)
        )
        scores = await self._scoring.score(
            ScoreRequest(
                names=names,
                readers=[functools.partial(read_instance, instance) for instance in request.instances],
                size_bytes=request.ByteSize(),
                deadline=None if remaining_s is None else time.monotonic() + remaining_s,
                lane=_lane(request.lane),
                caller=caller_of(context),
                tells_scores=tells_scores(context),
            )
        )
        if len(names) * len(request.instances) <= QUICK_OUTCOMES:
            return _response(scores)
        return await asyncio.to_thread(_response, scores)

    async def ListLoadedVersions(  # noqa: N802
        self,
        request: pb.ListLoadedVersionsRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.ListLoadedVersionsResponse:
        size = page_size(request.page_size)
        after = read_token(request)
        slots = sorted((str(name), slot) for name, slot in self._versions.slots().items())
        rest = [(name, slot) for name, slot in slots if after is None or name > after]
        page = rest[:size]
        return pb.ListLoadedVersionsResponse(
            loaded_versions=[_loaded_version(name, slot) for name, slot in page],
            next_page_token=make_token(request, page[-1][0] if len(rest) > size else None),
        )


def caller_of(context: Any) -> str:
    """Return who takes turns with others: the API key, which nobody can choose, else what the header says."""
    if name := current().name:
        return name
    metadata = context.invocation_metadata() or ()
    return next((str(value)[:100] for key, value in metadata if key == CALLER_HEADER), "")


def tells_scores(context: Any) -> bool | None:
    """Return whether the caller wants an event for each score; None if it does not say `on` or `off`."""
    metadata = context.invocation_metadata() or ()
    said = next((str(value) for key, value in metadata if key == EVENTS_HEADER), "")
    return {"on": True, "off": False}.get(said)


def _lane(number: int) -> Lane:
    try:
        return Lane(number or Lane.ONLINE)
    except ValueError:
        rule = "must be GUARDRAIL, ONLINE or BULK"
        raise InvalidRequestError(
            f"The lane {number} is not known: it {rule}.", violations=[Violation("lane", rule)]
        ) from None


def read_instance(message: resources_pb2.Instance) -> Instance:
    try:
        check_required(message)
    except InvalidRequestError as error:
        text = error.message.replace("The request", "The instance", 1)
        raise InstanceInvalidError(text, violations=error.violations) from error
    return instance_from_proto(message)


def _response(scores: Scores) -> pb.ScoreResponse:
    results = [
        pb.InstanceResult(outcomes=[outcome_of(outcome) for outcome in row]) for row in scores.outcomes
    ]
    return pb.ScoreResponse(results=results, timing=_timing(scores.timing))


def outcome_of(outcome: Scored | GnomonError) -> pb.ScoreOutcome:
    if isinstance(outcome, GnomonError):
        return pb.ScoreOutcome(error=to_status(outcome))
    return pb.ScoreOutcome(score=_score(outcome))


def _score(scored: Scored) -> resources_pb2.Score:
    decision = scored.decision
    triples = zip(scored.evaluator.classes, decision.probabilities, scored.logits, strict=True)
    return resources_pb2.Score(
        metric_version=str(scored.version),
        label=decision.label,
        classes=[
            resources_pb2.Score.ClassScore(label=label, probability=probability, logit=logit)
            for label, probability, logit in triples
        ],
        flagged=decision.flagged,
        threshold=scored.evaluator.threshold.value,
        token_count=scored.token_count,
        truncated=scored.truncated,
        window_count=scored.window_count,
        deciding_window=scored.deciding_window,
        cached=scored.is_cached,
        abstained=decision.abstained,
    )


def _timing(timing: Timing) -> pb.ScoringTiming:
    return pb.ScoringTiming(
        tokenization_duration=_duration(timing.tokenization_s),
        queue_duration=_duration(timing.queue_s),
        inference_duration=_duration(timing.inference_s),
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration


def _loaded_version(name: str, slot: Slot) -> pb.LoadedVersion:
    return pb.LoadedVersion(
        metric_version=name,
        state=_STATES[slot.state],
        error=to_status(slot.error) if slot.error is not None else None,
        format=slot.loaded.format if slot.loaded else "",
        memory_bytes=slot.loaded.memory_bytes if slot.loaded else 0,
        tuning=_tuning(slot.loaded.tuning) if slot.loaded else None,
        format_reason=slot.loaded.format_reason if slot.loaded else "",
    )


def _tuning(tuning: Tuning) -> pb.Tuning:
    message = pb.Tuning(
        chosen=_trial(tuning.chosen),
        trials=map(_trial, tuning.trials),
        machine=tuning.machine,
        objective_sequences_per_second=tuning.objective_per_s,
    )
    if tuning.measured_at is not None:
        message.measure_time.FromNanoseconds(int(tuning.measured_at * 1e9))
    return message


def _trial(trial: Trial) -> pb.Tuning.Trial:
    return pb.Tuning.Trial(
        format=trial.way.format,
        threads=trial.way.threads,
        batch_tokens=trial.way.batch_tokens,
        sequences_per_second=trial.sequences_per_s,
        spread=trial.spread,
    )
