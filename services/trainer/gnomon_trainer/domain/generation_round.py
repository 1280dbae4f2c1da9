"""One round of a generation: rows are written, compared, judged, and kept or dropped. Pure.

Answers may come in any order; what becomes of them depends on the order of
the questions alone, so that a round that is done again comes out the same.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gnomon.cells import CellError, instance
from gnomon.errors import (
    GnomonError,
    InstanceInvalidError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
)
from gnomon.instances import Instance
from gnomon.threads import in_thread
from gnomon_trainer.domain.columns import LABEL
from gnomon_trainer.domain.generation_answers import Written
from gnomon_trainer.domain.generation_origin import FROM
from gnomon_trainer.domain.generation_parts import written_text
from gnomon_trainer.domain.generation_prompt import Wanted
from gnomon_trainer.domain.generation_sieve import Dropped, Sieve
from gnomon_trainer.domain.judging import Judgement
from gnomon_trainer.domain.soft_labels import COLUMN as SHARES
from gnomon_trainer.domain.training import MetricDefinition

GENERATOR, EXPLANATION = "generator", "judge_explanation"
COLUMNS = (FROM, GENERATOR, EXPLANATION, SHARES)
_FOR_ALL = {"401", "402", "403", "404"}  # what is refused so is refused for every question

T = TypeVar("T")


class Asking(Protocol):
    """How a round asks. Answers are remembered under a subject; it differs for every question."""

    async def write(self, subject: str, wanted: Wanted) -> Written:
        """Have rows written; see `Generator.write`."""
        ...

    async def judge(self, subject: str, item: Instance) -> Judgement:
        """Have a row judged; see `Judge.judge`."""
        ...


@dataclass(slots=True)
class Round:
    """What came of a round: records to keep, and how many items were asked for and dropped."""

    kept: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # what was written of `kept`, normalised
    asked: Counter[str] = field(default_factory=Counter)  # by class
    dropped: Counter[Dropped] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Candidate:
    wanted: Wanted
    cells: Mapping[str, Any]
    instance: Instance
    text: str


async def play(
    calls: Sequence[Wanted], asking: Asking, sieve: Sieve, metric: MetricDefinition, *, subject: str
) -> Round:
    """Have rows written, and keep those that are new and judged to be of the class that was wanted.

    `subject` is what the subjects of all questions begin with.

    Raises:
        GnomonError: a provider refuses everything, is away, or the budget is spent.
    """
    found = Round()
    answers = await _each([_writing(asking, f"{subject}/w{n}", call) for n, call in enumerate(calls)])
    candidates: list[_Candidate] = []
    for call, answer in zip(calls, answers, strict=True):
        found.asked[call.label] += call.count
        found.dropped[Dropped.UNUSABLE] += answer.unusable
        for cells in answer.rows:
            candidate = _candidate(call, cells, metric)
            if candidate is None:
                found.dropped[Dropped.UNUSABLE] += 1
            else:
                candidates.append(candidate)
    causes = await in_thread(sieve.sift, [candidate.text for candidate in candidates])
    found.dropped.update(cause for cause in causes if cause)
    new = [candidate for candidate, cause in zip(candidates, causes, strict=True) if cause is None]
    judged = await _each([_judging(asking, f"{subject}/j{n}", row) for n, row in enumerate(new)])
    for row, judgement in zip(new, judged, strict=True):
        _keep_or_drop(found, row, judgement)
    sieve.keep(found.texts)
    return found


def _keep_or_drop(found: Round, row: _Candidate, judgement: Judgement | None) -> None:
    if judgement is None:
        found.dropped[Dropped.NOT_JUDGED] += 1
    elif judgement.label != row.wanted.label:
        found.dropped[Dropped.JUDGED_OTHERWISE] += 1
    else:
        found.texts.append(row.text)
        found.kept.append(
            {
                **row.cells,
                LABEL: judgement.label,
                FROM: list(row.wanted.places),
                EXPLANATION: judgement.explanation,
                SHARES: dict(judgement.soft_label),
            }
        )


def _candidate(wanted: Wanted, cells: Mapping[str, Any], metric: MetricDefinition) -> _Candidate | None:
    try:
        made = instance(cells, metric.step)
        return _Candidate(wanted, cells, made, written_text(made, metric))
    except (CellError, InstanceInvalidError):
        return None


def _writing(asking: Asking, subject: str, wanted: Wanted) -> Callable[[], Awaitable[Written]]:
    async def write() -> Written:
        try:
            return await asking.write(subject, wanted)
        except GnomonError as error:
            if _is_for_all(error):
                raise
            return Written((), wanted.count)

    return write


def _judging(asking: Asking, subject: str, row: _Candidate) -> Callable[[], Awaitable[Judgement | None]]:
    async def judge() -> Judgement | None:
        try:
            return await asking.judge(subject, row.instance)
        except GnomonError as error:
            if _is_for_all(error):
                raise
            return None

    return judge


def _is_for_all(error: GnomonError) -> bool:
    """Tell whether the next question would fare no better."""
    if isinstance(error, ProviderRefusedError):
        return error.metadata.get("http_status") in _FOR_ALL
    return not isinstance(error, ProviderAnswerInvalidError | InstanceInvalidError)


async def _each(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do all at once but the first, which finds out what the endpoint can do, and whether it answers.

    Where one fails, the others are waited for: their answers are paid, and are wanted when work goes on.
    """
    if not work:
        return []
    first = await work[0]()
    rest = await asyncio.gather(*(one() for one in work[1:]), return_exceptions=True)
    failed = [found for found in rest if isinstance(found, BaseException)]
    for error in sorted(failed, key=lambda error: isinstance(error, GnomonError)):  # a defect first
        raise error
    return [first, *(found for found in rest if not isinstance(found, BaseException))]
