"""Finding out what an endpoint can do: asking for less where it refuses more. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from gnomon.errors import ProviderRefusedError
from gnomon_trainer.domain.chat import Chat, ChatAnswer, ChatRequest, Endpoint, Form

_NOT_UNDERSTOOD = {"400", "404", "415", "422", "501"}


class Ways:
    """Ways to ask one endpoint, from what binds an answer most to what every endpoint can do.

    The first that works is kept to: from then on, a refusal is for what one
    question holds, and costs the others nothing.
    """

    def __init__(self, forms: Sequence[Form] = (Form.SCHEMA, Form.JSON, Form.TEXT)) -> None:
        self._forms = list(forms)
        self._proved = False

    async def ask(
        self, chat: Chat, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float
    ) -> ChatAnswer:
        """Ask in the first way that the endpoint understands; raises what `Chat.complete` raises."""
        for form in tuple(self._forms):
            try:
                way = replace(request, form=form)
                answer = await chat.complete(endpoint, way, deadline_s=deadline_s)
            except ProviderRefusedError as error:
                last = form is self._forms[-1]
                if self._proved or last or error.metadata.get("http_status") not in _NOT_UNDERSTOOD:
                    raise
            else:
                self._proved = True
                self._forms = self._forms[self._forms.index(form) :]
                return answer
        raise AssertionError("the last way answers or raises")
