"""Lets calls in, or not: before anything of their request is read."""

import asyncio
import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass

import structlog

from gnomon.api_keys import read_key
from gnomon.errors import AccessUnverifiedError, GnomonError
from gnomon_rpc.access import (
    KeyAnswer,
    KeyState,
    Metadata,
    check_named,
    check_scope,
    refusal_of,
    shown_key,
    stated_project,
)
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_rpc.key_cache import YOUNG_S, KeyCache, Shown
from gnomon_rpc.methods import described

log = structlog.get_logger(__name__)

_LOOK_S = 0.3

EndCall = Callable[[GnomonError], None]
"""Ends a call that is under way, with an error; does not wait for the end."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that was let in: who makes it, and with which key; None where access control is off."""

    caller: Caller
    shown: Shown | None = None


class OpenGate:
    """Access control is off: everybody is let in as `LOCAL`."""

    def remembered(self, method: str, metadata: Metadata) -> Admitted | None:  # noqa: ARG002
        return Admitted(LOCAL.acting_for(stated_project(metadata)))

    async def admit(self, method: str, metadata: Metadata) -> Admitted:
        admitted = self.remembered(method, metadata)
        assert admitted is not None
        return admitted

    def watch(self, admitted: Admitted, end: EndCall) -> Callable[[], None]:  # noqa: ARG002
        return _nothing

    async def close(self) -> None:
        pass


class KeyGate:
    """Lets in who shows a key that may do what it asks for.

    Looks after calls that are under way as well: those whose key is no longer
    valid are ended within a second, however silent they are. `learn` is told
    what their keys are now, as it may have been changed.
    """

    def __init__(self, cache: KeyCache, learn: Callable[[Caller], None]) -> None:
        self._cache = cache
        self._learn = learn
        self._under_way: defaultdict[Shown, dict[int, EndCall]] = defaultdict(dict)
        self._count = 0
        self._context = copy_context()  # the guard's log lines are of no call
        self._guard: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.gather(self._guard, return_exceptions=True)
        await self._cache.close()

    def remembered(self, method: str, metadata: Metadata) -> Admitted | None:
        """Let a call in at once if its key is known well enough; None if somebody must be asked.

        Raises:
            UnauthenticatedError, PermissionDeniedError: it is not let in.
        """
        shown = self._shown(metadata)
        answer = self._cache.remembered(shown)
        return None if answer is None else _admitted(answer, shown, method, metadata)

    async def admit(self, method: str, metadata: Metadata) -> Admitted:
        """Let a call in.

        Raises:
            UnauthenticatedError, PermissionDeniedError: it is not let in.
            AccessUnverifiedError: whether it may come in cannot be told now.
        """
        shown = self._shown(metadata)
        return _admitted(await self._cache.look_up(shown), shown, method, metadata)

    def _shown(self, metadata: Metadata) -> Shown:
        text = shown_key(metadata)
        sha256 = hashlib.sha256(text.encode()).digest()
        return Shown(self._cache.id_of(sha256) or read_key(text).id, sha256)

    def watch(self, admitted: Admitted, end: EndCall) -> Callable[[], None]:
        """Have a call ended once its key is no longer valid; return what to call when it ended by itself."""
        shown = admitted.shown
        assert shown is not None, "this gate lets nobody in without a key"
        if self._guard is None:
            self._guard = asyncio.create_task(
                self._look_after_calls(), name="look after calls", context=self._context
            )
        self._count = number = self._count + 1
        self._under_way[shown][number] = end

        def ended() -> None:
            calls = self._under_way[shown]
            calls.pop(number, None)
            if not calls:
                del self._under_way[shown]

        return ended

    async def _look_after_calls(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.gather(*(self._look_after(shown) for shown in list(self._under_way)))

    async def _look_after(self, shown: Shown) -> None:
        try:
            answer = await self._cache.look_up(shown, YOUNG_S)
            error: GnomonError | None = None if answer.state is KeyState.VALID else refusal_of(answer)
        except AccessUnverifiedError as unverified:
            error = unverified
        except Exception:  # a defect must not end the guard; the next look may succeed
            log.exception("a key could not be looked at")
            return
        if error is None:
            if answer.caller is not None:
                self._learn(answer.caller)
            return
        calls = list(self._under_way.get(shown, {}).values())
        log.warning(
            "ending calls whose key is no longer valid", key=f"apiKeys/{shown.key_id}", calls=len(calls)
        )
        for end in calls:
            with contextlib.suppress(Exception):  # it has ended meanwhile
                end(error)


Gate = OpenGate | KeyGate


def _admitted(answer: KeyAnswer, shown: Shown, method: str, metadata: Metadata) -> Admitted:
    if answer.state is not KeyState.VALID or answer.caller is None:
        raise refusal_of(answer)
    caller = answer.caller
    check_scope(caller, method, described(method).scopes)
    if project := stated_project(metadata):
        check_named(caller, [project])
        caller = caller.acting_for(project)
    return Admitted(caller, shown)


def _nothing() -> None:
    pass
