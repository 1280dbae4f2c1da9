"""Remembers what became of keys, for as long as that can be true: a revoked key is refused within a second.

An answer is as old as the question was when it was asked. A young one is used;
an older one is used and asked for again beside the call; beyond that the call
waits, for a key that is known as long as for one that is not: impatience would
let a key in that was revoked while nobody used it. Where a question got no
answer, the last one for a valid key holds for a while, and then nobody is let in.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gnomon.errors import AccessUnverifiedError, GnomonError
from gnomon_rpc.access import KeyAnswer, KeySource, KeyState

log = structlog.get_logger(__name__)

YOUNG_S = 0.4
OLD_S = 0.9
_PAUSE_S = 0.5  # between questions to a source that does not answer
_SILENT_S = 3.0  # how long after a failure calls do not wait for an answer that will not come
_MOST_KEYS = 10_000
_MOST_REFUSED = 1_000
_ANSWER_S = 2.0  # how long a question waits for its answer

# Questions about keys that are not known to be valid: more come from somebody who tries keys.
_STRANGERS_PER_S = 50.0
_STRANGERS_AT_ONCE = 100.0


@dataclass(slots=True)
class _Entry:
    answer: KeyAnswer
    asked: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A key as it was shown: the part that names it, and the digest that proves it."""

    key_id: str
    sha256: bytes


class KeyCache:
    """Belongs to one event loop. Close it there.

    `stale_s` is how long a valid key's last answer holds where the source gives
    none. `now` counts seconds; `wall` gives those of the epoch.
    """

    def __init__(
        self,
        source: KeySource,
        stale_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._stale_s = stale_s
        self._now = now
        self._wall = wall
        self._valid: OrderedDict[bytes, _Entry] = OrderedDict()
        self._refused: OrderedDict[bytes, _Entry] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[KeyAnswer]] = {}
        self._strangers = _STRANGERS_AT_ONCE
        self._strangers_at = now()
        self._silent = False
        self._failed = float("-inf")

    async def close(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def id_of(self, sha256: bytes) -> str | None:
        """Return the ID of a key that was valid lately, without a look at its text."""
        entry = self._valid.get(sha256)
        return entry.answer.name.rpartition("/")[2] if entry else None

    def remembered(self, shown: Shown) -> KeyAnswer | None:
        """Return the answer if it needs no waiting; ask anew beside it if it is no longer young."""
        entry = self._valid.get(shown.sha256)
        if entry is None:
            entry = self._refused.get(shown.sha256)
            if entry is None or self._now() - entry.asked >= OLD_S:
                return None
            return entry.answer
        age_s = self._now() - entry.asked
        if age_s >= OLD_S:
            return None
        if age_s >= YOUNG_S:
            self._ask_beside(shown)
        self._valid.move_to_end(shown.sha256)
        return self._in_time(entry.answer)

    async def look_up(self, shown: Shown, oldest_s: float = OLD_S) -> KeyAnswer:
        """Return an answer that is not older than `oldest_s`, or the last one where the source is silent.

        Raises:
            AccessUnverifiedError: there is none, or it is too old, or too many unknown keys are tried.
        """
        entry = self._valid.get(shown.sha256)
        if entry is None:
            known = self.remembered(shown)
            return known or await self._ask_about_a_stranger(shown)
        now = self._now()
        if now - entry.asked < oldest_s:
            return self.remembered(shown) or self._in_time(entry.answer)
        if self._silent and now - self._failed < _SILENT_S:
            self._ask_beside(shown)
            return self._last(entry)
        try:
            return self._in_time(await self._answer(shown))
        except (GnomonError, TimeoutError):
            return self._last(entry)

    def _ask_beside(self, shown: Shown) -> None:
        if not self._silent or self._now() - self._failed >= _PAUSE_S:
            self._ask(shown)

    def _last(self, entry: _Entry) -> KeyAnswer:
        age_s = self._now() - entry.asked
        if age_s >= self._stale_s:
            raise _unverified(f"for {self._stale_s:g} s")
        return self._in_time(entry.answer)

    async def _ask_about_a_stranger(self, shown: Shown) -> KeyAnswer:
        if shown.sha256 not in self._asking and not self._may_ask_about_a_stranger():
            raise AccessUnverifiedError(
                "Too many API keys that are not known are being tried. Try again.", retry_after_s=1.0
            )
        try:
            return self._in_time(await self._answer(shown))
        except (GnomonError, TimeoutError) as error:
            raise _unverified("now") from error

    def _may_ask_about_a_stranger(self) -> bool:
        now = self._now()
        gained = (now - self._strangers_at) * _STRANGERS_PER_S
        self._strangers_at = now
        self._strangers = min(_STRANGERS_AT_ONCE, self._strangers + gained)
        if self._strangers < 1:
            return False
        self._strangers -= 1
        return True

    async def _answer(self, shown: Shown) -> KeyAnswer:
        # Shielded: the question is everybody's, and one caller who leaves must not end it.
        return await asyncio.shield(self._ask(shown))

    def _ask(self, shown: Shown) -> "asyncio.Task[KeyAnswer]":
        """Ask the source, unless it is being asked about this key already."""
        task = self._asking.get(shown.sha256)
        if task is None:
            task = self._asking[shown.sha256] = asyncio.create_task(self._asked(shown))
            task.add_done_callback(_looked_at)
        return task

    async def _asked(self, shown: Shown) -> KeyAnswer:
        asked = self._now()
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._source.look_up(shown.key_id, shown.sha256)
        except (GnomonError, TimeoutError) as error:
            self._tell_silence(error)
            raise
        finally:
            del self._asking[shown.sha256]
        self._tell_silence(None)
        self._remember(shown.sha256, _Entry(answer, asked))
        return answer

    def _remember(self, sha256: bytes, entry: _Entry) -> None:
        is_valid = entry.answer.state is KeyState.VALID
        kept, other, most = (
            (self._valid, self._refused, _MOST_KEYS)
            if is_valid
            else (self._refused, self._valid, _MOST_REFUSED)
        )
        other.pop(sha256, None)
        kept[sha256] = entry
        kept.move_to_end(sha256)
        while len(kept) > most:
            kept.popitem(last=False)

    def _in_time(self, answer: KeyAnswer) -> KeyAnswer:
        """Return the answer as it is now: a key that ends by itself needs nobody to say so."""
        if answer.end_time_s is not None and self._wall() >= answer.end_time_s:
            return KeyAnswer(KeyState.EXPIRED, answer.name)
        return answer

    def _tell_silence(self, error: BaseException | None) -> None:
        """Log once that keys cannot be verified, and once that they can again."""
        if error is not None and not self._silent:
            reason = error.message if isinstance(error, GnomonError) else "no answer in time"
            log.error("API keys cannot be verified", reason=reason, last_answers_hold_s=self._stale_s)
        elif error is None and self._silent:
            log.info("API keys can be verified again")
        self._silent = error is not None
        if error is not None:
            self._failed = self._now()


def _looked_at(task: "asyncio.Task[KeyAnswer]") -> None:
    if not task.cancelled():
        task.exception()  # whoever waits for the answer hears of it; nobody may


def _unverified(how_long: str) -> AccessUnverifiedError:
    return AccessUnverifiedError(
        f"The API key cannot be verified {how_long}: the registry, which knows the keys, does not answer. "
        "Try again; an operator finds the reason in this service's log.",
        retry_after_s=1.0,
    )
