"""A chat whose every call is told of: how long it took, what it cost, how it ended. Pure."""

from collections.abc import Callable

from gnomon.errors import (
    EndpointNotAllowedError,
    GnomonError,
    ProviderAnswerInvalidError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from gnomon_trainer.domain.chat import (
    Chat,
    ChatAnswer,
    ChatRequest,
    Endpoint,
    NotAskedError,
    UnusableAnswerError,
)
from gnomon_trainer.domain.observing import Asked, Observer
from gnomon_trainer.domain.tracing import Tracing

_OUTCOMES: tuple[tuple[type[BaseException], Asked], ...] = (
    (NotAskedError, Asked.NOT_REACHED),
    (UnusableAnswerError, Asked.UNUSABLE),
    (EndpointNotAllowedError, Asked.NOT_ALLOWED),
    (ProviderRefusedError, Asked.REFUSED),
    (ProviderUnavailableError, Asked.UNAVAILABLE),
    (ProviderAnswerInvalidError, Asked.INVALID),
)


class ObservedChat:
    """A `Chat`. Tokens are those that the endpoint bills, so far as it says."""

    def __init__(
        self, chat: Chat, observer: Observer, tracing: Tracing, stopwatch: Callable[[], float]
    ) -> None:
        self._chat = chat
        self._observer = observer
        self._tracing = tracing
        self._stopwatch = stopwatch

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Ask once; see `Chat.complete`."""
        started = self._stopwatch()
        with self._tracing.asking(endpoint) as span:
            try:
                answer = await self._chat.complete(endpoint, request, deadline_s=deadline_s)
            except BaseException as error:
                span.failed(error.reason if isinstance(error, GnomonError) else type(error).__name__)
                self._observer.asked(_outcome(error), self._stopwatch() - started)
                if isinstance(error, UnusableAnswerError):
                    self._observer.billed(error.input_tokens, error.output_tokens)
                raise
            span.answered(answer)
        self._observer.asked(Asked.ANSWERED, self._stopwatch() - started)
        self._observer.billed(answer.input_tokens, answer.output_tokens)
        return answer


def _outcome(error: BaseException) -> Asked:
    return next((outcome for kind, outcome in _OUTCOMES if isinstance(error, kind)), Asked.BROKEN_OFF)
