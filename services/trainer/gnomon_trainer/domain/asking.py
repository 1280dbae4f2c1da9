"""Finding out what an endpoint can do: asking for less where it refuses more. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gnomon.errors import ProviderRefusedError
from gnomon_trainer.domain.chat import Chat, ChatAnswer, ChatRequest, Endpoint, Form

_NOT_UNDERSTOOD = {"400", "404", "415", "422", "501"}


@dataclass(frozen=True, slots=True)
class Way:
    """What of a request some endpoints do not understand."""

    form: Form
    top_log_probabilities: int = 0


# From what binds an answer most to what every endpoint can do.
FORMS = tuple(map(Way, (Form.SCHEMA, Form.JSON, Form.TEXT)))


class Ways:
    """Ways to ask one endpoint, shared by all who ask it the same kind of question.

    The first that works is kept to: from then on a refusal is for what one
    question holds, and costs the others nothing.
    """

    def __init__(self, ways: Sequence[Way] = FORMS) -> None:
        self._ways = list(ways)
        self._proved = False

    async def ask(
        self, chat: Chat, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float
    ) -> ChatAnswer:
        """Ask in the first way that the endpoint understands; raises what `Chat.complete` raises."""
        for way in tuple(self._ways):
            asked = replace(request, form=way.form, top_log_probabilities=way.top_log_probabilities)
            try:
                answer = await chat.complete(endpoint, asked, deadline_s=deadline_s)
            except ProviderRefusedError as error:
                last = way == self._ways[-1]
                if self._proved or last or error.metadata.get("http_status") not in _NOT_UNDERSTOOD:
                    raise  # a way that works for others is refused for what this one holds
            else:
                self._proved = True
                if way in self._ways:  # or another question has gone on to the next one meanwhile
                    self._ways = self._ways[self._ways.index(way) :]
                return answer
        raise AssertionError("the last way answers or raises")
