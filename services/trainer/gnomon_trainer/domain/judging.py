"""A judge: a metric's prompt and one instance make a label, its explanation and a soft label. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gnomon.errors import ProviderAnswerInvalidError
from gnomon.instances import Instance
from gnomon_trainer.domain.asking import Way, Ways
from gnomon_trainer.domain.chat import Chat, ChatRequest, Endpoint, Form
from gnomon_trainer.domain.judge_answers import NoVoteError, Vote, vote
from gnomon_trainer.domain.judge_prompt import Judged, question, schema

_TRIES = 3  # for one vote
_LIKELY_TOKENS = 20

# From what binds an answer most to what every endpoint can do.
_WAYS = tuple(
    Way(form, likely) for form in (Form.SCHEMA, Form.JSON, Form.TEXT) for likely in (_LIKELY_TOKENS, 0)
)


class SoftLabelSource(StrEnum):
    """What a soft label was made from; the names are those of `gnomon.v1.Judgement.Source`."""

    VOTES = "votes"
    TOKEN_PROBABILITIES = "token_probabilities"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge says of one instance. `soft_label` has every class, and its shares add up to 1."""

    label: str
    explanation: str
    soft_label: Mapping[str, float]
    source: SoftLabelSource
    votes: int


@dataclass(frozen=True, slots=True)
class Asking:
    """Where one instance is asked about, by what chance its markers come, and what is planted in its text."""

    chat: Chat
    random_bytes: Callable[[int], bytes]
    planted: str = ""


class Judge:
    """Labels instances for one metric at one endpoint.

    It finds out by itself what the endpoint can do: where a JSON schema or
    log-probabilities are refused it asks for less, and goes on with what worked.
    """

    def __init__(
        self, chat: Chat, endpoint: Endpoint, judged: Judged, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._asking = Asking(chat, random_bytes)
        self._endpoint = endpoint
        self._judged = judged
        self._ways = Ways(_WAYS)

    async def judge(
        self, instance: Instance, votes: int, *, deadline_s: float, asking: Asking | None = None
    ) -> Judgement:
        """Ask `votes` times, one after the other, each answer within `deadline_s`.

        `asking` takes the place of the judge's own chat and chance.

        Raises:
            InstanceInvalidError: the instance lacks what the metric reads.
            ProviderAnswerInvalidError: an answer was none, three times.
            GnomonError: what `Chat.complete` raises.
        """
        # The marker is another one each time: what one answer leaks is of no use to the next.
        by = asking or self._asking
        cast = [await self._vote(instance, by, deadline_s) for _ in range(votes)]
        return judgement(cast, self._judged.labels)

    async def _vote(self, instance: Instance, by: Asking, deadline_s: float) -> Vote:
        problem: NoVoteError | None = None
        for _ in range(_TRIES):
            asked = question(self._judged, instance, by.random_bytes, planted=by.planted)
            request = ChatRequest(asked.messages, schema=schema(self._judged.labels))
            answer = await self._ways.ask(by.chat, self._endpoint, request, deadline_s=deadline_s)
            try:
                return vote(answer, self._judged.labels, asked.marker)
            except NoVoteError as error:
                problem = error
        name = self._endpoint.provider
        raise ProviderAnswerInvalidError(
            f"{name} gave no vote in {_TRIES} answers; of the last one: {problem}.", resource=name
        )


def judgement(votes: Sequence[Vote], labels: Sequence[str]) -> Judgement:
    """Put votes together: the mean of their token probabilities where all have them, else their shares.

    The label is the one with the largest share; of equals the one that was voted for first.
    """
    told = [each.probabilities for each in votes if each.probabilities is not None]
    if len(told) == len(votes):
        soft = {label: sum(each[label] for each in told) / len(told) for label in labels}
        source = SoftLabelSource.TOKEN_PROBABILITIES
    else:
        count = Counter(each.label for each in votes)
        soft = {label: count[label] / len(votes) for label in labels}
        source = SoftLabelSource.VOTES
    best = max(votes, key=lambda each: soft[each.label])
    return Judgement(best.label, best.explanation, soft, source, len(votes))
