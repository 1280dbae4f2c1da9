"""What is asked of the scorer, and what it says: requests, scores, and where the time went."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gnomon.bundle import Evaluator
from gnomon.decision import Decision, decide
from gnomon.errors import GnomonError
from gnomon.names import MetricVersionName
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.questions import Question
from gnomon_scorer.domain.scheduler import Outcome, Ran
from gnomon_scorer.domain.tokenizing import ReadInstance


@dataclass(frozen=True, slots=True)
class Scored:
    """What one version says of one instance."""

    version: MetricVersionName
    evaluator: Evaluator
    decision: Decision
    logits: Sequence[float]
    token_count: int
    truncated: bool
    window_count: int = 1
    deciding_window: int | None = 0  # None: several windows were combined
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds, each the longest of the request's instances."""

    tokenization_s: float = 0.0
    queue_s: float = 0.0
    inference_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """`readers` give the instances, or raise; `deadline` is on the service's clock.

    `caller` is whom the queue is shared fairly with; empty if not known.
    `waits`: for room in the queue, where others are turned away.
    `tells_scores`: whether each score becomes an event; None leaves that to the service.
    """

    names: tuple[MetricVersionName, ...]
    readers: Sequence[ReadInstance]
    size_bytes: int
    deadline: float | None
    lane: Lane = Lane.ONLINE
    caller: str = ""
    waits: bool = False
    tells_scores: bool | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """`outcomes[i][j]`: of instance i with version j."""

    outcomes: list[list[Scored | GnomonError]]
    timing: Timing


def score_of(question: Question) -> Scored | GnomonError:
    """Return what an answered question says, or why it says nothing."""
    version, answer = question.version, question.answer
    assert answer is not None
    if isinstance(answer, GnomonError):
        return answer
    return Scored(
        version=version.name,
        evaluator=version.evaluator,
        decision=decide(version.evaluator, answer.logits),
        logits=answer.logits,
        token_count=answer.token_count,
        truncated=answer.truncated,
        window_count=answer.window_count,
        deciding_window=answer.deciding_window,
        is_cached=question.is_cached,
    )


def timing_of(tokenization_s: float, ran: Iterable[Outcome]) -> Timing:
    """Return where the time of a request went."""
    done = [row for row in ran if isinstance(row, Ran)]
    return Timing(
        tokenization_s,
        max((row.queue_s for row in done), default=0.0),
        max((row.inference_s for row in done), default=0.0),
    )
