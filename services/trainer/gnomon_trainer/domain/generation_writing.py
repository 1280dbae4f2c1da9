"""A generator: a provider's model that writes rows of a class after examples. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gnomon_trainer.domain.chat import Chat, ChatRequest, Endpoint, UnusableAnswerError
from gnomon_trainer.domain.generation_answers import NoItemsError, Written, written
from gnomon_trainer.domain.generation_prompt import Wanted, generator_question, generator_schema
from gnomon_trainer.domain.judge_prompt import Judged
from gnomon_trainer.domain.ways_of_asking import Ways

_TRIES = 2


@dataclass(frozen=True, slots=True)
class Generator:
    """Writes rows for one metric at one endpoint."""

    endpoint: Endpoint
    judged: Judged
    deadline_s: float  # for one answer
    _ways: Ways = field(default_factory=Ways)

    async def write(self, chat: Chat, wanted: Wanted, random_bytes: Callable[[int], bytes]) -> Written:
        """Ask for rows, once more where the answer is none; then all of them count as unusable.

        Raises:
            GnomonError: what `Chat.complete` raises.
        """
        for _ in range(_TRIES):
            asked = generator_question(self.judged, wanted, random_bytes)
            request = ChatRequest(asked.messages, schema=generator_schema(self.judged, wanted))
            try:
                answer = await self._ways.ask(chat, self.endpoint, request, deadline_s=self.deadline_s)
                return written(answer, wanted, self.judged.input_shape, asked.marker)
            except (NoItemsError, UnusableAnswerError):
                continue
        return Written((), wanted.count)
