"""A chat that writes down every answer before it gives it out, and never asks twice. Pure."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from gnomon.threads import in_thread
from gnomon_trainer.domain.chat import Chat, ChatAnswer, ChatRequest, Endpoint, TokenChoice
from gnomon_trainer.domain.chat_budget import Budget
from gnomon_trainer.domain.paid_work_store import Journal


class RememberedChat:
    """A `Chat` that looks into the journal first.

    A question is known again by what is sent: the endpoint's URL, the model and
    the whole request. Who asks the same thing twice and wants two answers makes
    the requests differ, as the markers of `judge_prompt` do; who wants to find
    an answer again makes them the same (`DerivedBytes`).
    """

    def __init__(self, chat: Chat, journal: Journal, uid: str) -> None:
        """`chat` keeps what it is answered, see `KeptChat`."""
        self._chat = chat
        self._journal = journal
        self._uid = uid

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Return the answer that is written down, or ask; see `Chat.complete`."""
        known = await in_thread(self._journal.answer, self._uid, question_key(endpoint, request))
        return known or await self._chat.complete(endpoint, request, deadline_s=deadline_s)


class KeptChat:
    """A `Chat` for one subject of a piece of work, such as a row, that writes down every answer.

    Within a `CarefulChat`, an answer holds its place among the calls under way
    until it is written down: what a crash can lose is no more than these.
    """

    def __init__(
        self,
        chat: Chat,
        journal: Journal,
        budget: Budget,
        *,
        uid: str,
        subject: str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`chat` pays from `budget`. `check` raises where nothing may be spent any more."""
        self._chat = chat
        self._journal = journal
        self._budget = budget
        self._uid = uid
        self._subject = subject
        self._check = check

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Ask, and write the answer down before it is given out; see `Chat.complete`."""
        self._check()
        answer = await self._chat.complete(endpoint, request, deadline_s=deadline_s)
        await self._keep(question_key(endpoint, request), answer)
        return answer

    async def _keep(self, key: str, answer: ChatAnswer) -> None:
        spent, written = self._budget.take_unwritten(), False

        def keep() -> None:
            nonlocal written
            self._journal.keep(self._uid, self._subject, key, answer, spent)
            written = True

        try:
            await in_thread(keep)  # waits for the thread even when it is cancelled
        finally:
            if not written:
                self._budget.put_back(spent)


def question_key(endpoint: Endpoint, request: ChatRequest) -> str:
    """Return the SHA-256 of what is asked where; the API key is no part of it."""
    asked = [
        endpoint.base_url,
        endpoint.model,
        [[message.role.value, message.content] for message in request.messages],
        request.form.value,
        request.schema,
        request.top_log_probabilities,
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def answer_to(answer: ChatAnswer) -> dict[str, Any]:
    """Return an answer as JSON."""
    return asdict(answer)


def answer_from(raw: dict[str, Any]) -> ChatAnswer:
    choices: Iterable[dict[str, Any]] = raw.get("choices", ())
    return ChatAnswer(**{**raw, "choices": tuple(TokenChoice(**choice) for choice in choices)})
