"""In which ways an endpoint can be asked for one JSON object, and which of them it understands. Pure."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gnomon.errors import GnomonError, ProviderRefusedError, ProviderUnavailableError
from gnomon_trainer.domain.chat import (
    Chat,
    ChatAnswer,
    ChatRequest,
    Endpoint,
    Form,
    UnusableAnswerError,
)

_BROKEN = "500"  # what some servers answer to whatever they do not understand
_NOT_UNDERSTOOD = {"400", "404", "415", "422", "501", _BROKEN}
_NOT_ALLOWED = "403"  # what some answer where log-probabilities are asked of a model that reasons
_MOST_LIKELY = 20

# From what binds an answer most to what every endpoint can do.
_FORMS = (Form.SCHEMA, Form.OBJECT, Form.JSON, Form.TEXT)

Way = tuple[Form, bool]  # and whether log-probabilities are asked for


def likely_tokens(classes: int) -> int:
    """Return how many tokens to ask for where one of the classes begins, at most 20.

    Some more than there are classes, for other spellings. Not more than that: each is some 70 bytes at
    every place of every answer, and some endpoints give 5 at most.
    """
    return min(classes + 3, _MOST_LIKELY)


class Ways:
    """What is known of one endpoint, shared by all who ask it the same kind of question.

    The first way that works is kept to: from then on a refusal is for what one
    question holds, and costs the others nothing. An internal error counts
    against a way only the second time. When a lesser way has worked, one more
    question is asked in those that ended so: who stumbled once is not asked for
    less for good.
    """

    def __init__(self, likely_tokens: int = 0) -> None:
        """`likely_tokens` is how many log-probabilities are wanted where they are to be had; 0 for none."""
        likely = (likely_tokens, 0) if likely_tokens else (0,)
        self._likely_tokens = likely_tokens
        self._ways: tuple[Way, ...] = tuple((form, bool(count)) for form in _FORMS for count in likely)
        self._proved = len(self._ways)  # the index of the best way that has worked
        self._doubted: tuple[Way, ...] = ()
        self._finding_out = asyncio.Lock()

    async def ask(
        self, chat: Chat, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float
    ) -> ChatAnswer:
        """Ask; as long as something is to be found out of the endpoint, one after the other.

        Raises:
            GnomonError: what `Chat.complete` raises.
        """
        if self._finding_out.locked() or not self._are_known:
            async with self._finding_out:
                if not self._are_known:
                    return await self._asked(chat, endpoint, request, deadline_s)
        return await self._asked(chat, endpoint, request, deadline_s)

    async def _asked(
        self, chat: Chat, endpoint: Endpoint, request: ChatRequest, deadline_s: float
    ) -> ChatAnswer:
        """Ask in the first way that the endpoint understands, and keep to it from then on."""
        broken: list[Way] = []
        for way in self._for_one_question():
            form, likely = way
            trial = self._is_trial(way)
            count = self._likely_tokens if likely else 0
            asked = replace(request, form=form, top_log_probabilities=count, trial=trial)
            try:
                answer = await chat.complete(endpoint, asked, deadline_s=deadline_s)
            except (ProviderRefusedError, ProviderUnavailableError) as error:
                if not (trial and _may_be_the_way(error, way)):
                    raise  # a way that works for others is refused for what this one holds
                if error.metadata.get("http_status") == _BROKEN:
                    broken.append(way)
            except UnusableAnswerError:
                self._worked(way, broken)  # it is understood, whatever the model made of it
                raise
            else:
                self._worked(way, broken)
                return answer
        raise AssertionError("the last way answers or raises")

    @property
    def _are_known(self) -> bool:
        """Tell whether the next question finds out nothing more: else it is to be asked alone."""
        return self._proved < len(self._ways) and not self._doubted

    def _for_one_question(self) -> Sequence[Way]:
        """Return what is to be tried, one after the other until one works."""
        doubted, self._doubted = self._doubted, ()
        return self._ways if self._proved == len(self._ways) else (*doubted, self._ways[self._proved])

    def _is_trial(self, way: Way) -> bool:
        """Tell whether a failure may be because of the way; there is none below the last one."""
        return self._ways.index(way) not in (self._proved, len(self._ways) - 1)

    def _worked(self, way: Way, broken: Sequence[Way]) -> None:
        """Keep to a way; `broken` are those above it that ended in an internal error just now."""
        if self._proved == len(self._ways):
            self._doubted = tuple(broken)
        self._proved = min(self._proved, self._ways.index(way))


def _may_be_the_way(error: GnomonError, way: Way) -> bool:
    """Tell whether the endpoint may answer if it is asked for less."""
    status = error.metadata.get("http_status")
    return status in _NOT_UNDERSTOOD or (status == _NOT_ALLOWED and way[1])
