"""A chat that keeps within what an endpoint and its payer allow. Pure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from gnomon.errors import ProviderUnavailableError
from gnomon_trainer.domain.chat import Chat, ChatAnswer, ChatRequest, Endpoint, NotAskedError

_FIRST_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """How one endpoint is treated by all who ask it."""

    concurrency: int = 8
    requests_per_minute: float = 0.0  # no limit
    attempts: int = 5
    longest_wait_s: float = 60.0  # who is told to wait longer gives up


class TooLongError(Exception):
    """A gate is closed for `closed_s` seconds."""

    def __init__(self, closed_s: float) -> None:
        super().__init__(closed_s)
        self.closed_s = closed_s


class Gate:
    """Lets calls to one endpoint start: so many at once, so many a minute, none before it wants them."""

    def __init__(
        self,
        limits: ChatLimits,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        waited: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`waited` hears how long each call waited for its turn."""
        self.limits = limits
        self._waited = waited
        self._clock = clock
        self.sleep = sleep
        self._free = asyncio.Semaphore(limits.concurrency)
        self._next_start = self._closed_until = clock()

    @contextlib.asynccontextmanager
    async def turn(self, longest_wait_s: float) -> AsyncIterator[None]:
        """Wait for a place and for a start that the rate allows; starts are evenly spaced.

        Raises:
            TooLongError: the endpoint wants to be left alone for longer than this one waits.
        """
        began = self._clock()
        while True:
            while (closed_s := self.closed_s) > 0:  # in nobody's place: others may not wait so long
                if closed_s > longest_wait_s:
                    raise TooLongError(closed_s)
                await self.sleep(closed_s)
            async with self._free:
                while not self.closed_s and (wait_s := self._next_start - self._clock()) > 0:
                    await self.sleep(wait_s)
                if self.closed_s:
                    continue
                if self.limits.requests_per_minute:
                    self._next_start = self._clock() + 60.0 / self.limits.requests_per_minute
                self._waited(self._clock() - began)
                yield
                return

    @property
    def closed_s(self) -> float:
        """How long the endpoint wants to be left alone."""
        return max(0.0, self._closed_until - self._clock())

    def close_for(self, wait_s: float) -> None:
        """Let nobody start for so long."""
        self._closed_until = max(self._closed_until, self._clock() + wait_s)


class CarefulChat:
    """A `Chat` that waits for its turn, and asks again after 429, 5xx and timeouts.

    Waits double from half a second, and are drawn between half of that and
    all of it; where the endpoint says when to come back, nobody asks it before.
    A trial that ends in an internal error is not asked again: many servers have no
    other answer to what they do not understand.
    """

    def __init__(
        self,
        chat: Chat,
        gate: Gate,
        draw: Callable[[float, float], float],
        patience: ChatLimits | None = None,
    ) -> None:
        """`patience` says how often to ask and how long to wait where that is not as the gate's limits do."""
        self._chat = chat
        self._gate = gate
        self._draw = draw
        self._patience = patience or gate.limits

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Ask until there is an answer; see `Chat.complete`. `deadline_s` is for each attempt."""
        limits = self._patience
        for attempt in range(limits.attempts):
            try:
                async with self._gate.turn(limits.longest_wait_s):
                    return await self._chat.complete(endpoint, request, deadline_s=deadline_s)
            except TooLongError as error:
                raise _closed(endpoint, error.closed_s) from None
            except ProviderUnavailableError as error:
                told_s = error.retry_after_s or 0.0
                not_understood = request.trial and error.metadata.get("http_status") == "500"
                if not_understood or attempt + 1 == limits.attempts or told_s > limits.longest_wait_s:
                    raise  # the gate stays open: who has mended it in between need not wait an hour
            self._gate.close_for(told_s)
            longest_s = min(_FIRST_WAIT_S * 2**attempt, limits.longest_wait_s)
            await self._gate.sleep(max(told_s, self._draw(longest_s / 2, longest_s)))
        raise AssertionError("the last attempt answers or raises")


def _closed(endpoint: Endpoint, wait_s: float) -> NotAskedError:
    return NotAskedError(
        f"{endpoint.provider} wants not to be asked for another {wait_s:.0f} s.",
        retry_after_s=wait_s,
        resource=endpoint.provider,
    )
