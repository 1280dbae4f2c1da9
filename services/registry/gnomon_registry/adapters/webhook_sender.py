"""Posts to receivers through the guarded client."""

from collections.abc import Callable
from datetime import datetime

from gnomon.errors import InvalidRequestError, Violation
from gnomon_outbound.client import OutboundClient
from gnomon_outbound.errors import OutboundError, RefusedError, TooLargeError
from gnomon_outbound.retry_after import retry_after_s
from gnomon_registry.domain.webhook_ports import NoReplyError, Reply

_MOST_BYTES = 64 * 1024  # of an answer, which nobody reads


class OutboundSender:
    """Implements `Sender`."""

    def __init__(self, client: OutboundClient, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    def check(self, url: str) -> None:
        try:
            self._client.check(url)
        except RefusedError as error:
            raise InvalidRequestError(
                f"webhook.url: {error} The operator's setting is GNOMON_REGISTRY_ALLOWED_HOSTS.",
                violations=[Violation("webhook.url", str(error))],
            ) from error

    async def post(self, url: str, body: bytes, headers: dict[str, str], deadline_s: float) -> Reply:
        try:
            answer = await self._client.post(url, body, headers, deadline_s=deadline_s, max_bytes=_MOST_BYTES)
        except TooLargeError as error:
            raise NoReplyError(
                f"{error} A receiver answers with a status and next to nothing else."
            ) from error
        except OutboundError as error:
            raise NoReplyError(str(error), refused=isinstance(error, RefusedError)) from error
        if 200 <= answer.status < 300:  # it is taken, and nobody asks again
            return Reply(answer.status)
        return Reply(answer.status, retry_after_s(answer.headers, self._clock()) or 0.0)
