"""What asking may cost, in tokens and in money. Pure."""

import asyncio
import math
from dataclasses import dataclass

from gnomon.errors import JudgeBudgetSpentError, ProviderRefusedError, ProviderUnavailableError
from gnomon_trainer.domain.chat import Chat, ChatAnswer, ChatRequest, Endpoint

_CHARACTERS_PER_TOKEN = 3  # fewer than most texts have, so that estimates are high
_FIRST_OUTPUT_TOKENS = 200  # before any answer is known
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """In any currency, for a million tokens."""

    input: float = 0.0
    output: float = 0.0

    def cost(self, tokens: "Tokens") -> float:
        return (tokens.input * self.input + tokens.output * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Tokens:
    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input + other.input, self.output + other.output)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input - other.input, self.output - other.output)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be spent in all. None is no limit."""

    most_tokens: int | None = None
    most_cost: float | None = None
    prices: Prices = Prices()


class Budget:
    """Tokens and money that may be spent, and have been. None is no limit.

    A call must fit in by its estimate together with those under way; one that
    does not waits for what these turn out to cost. That is known only
    afterwards: one answer that is longer than any before can go over the limit
    by what it is longer.
    """

    def __init__(
        self,
        most_tokens: int | None = None,
        most_cost: float | None = None,
        prices: Prices | None = None,
        *,
        spent: Tokens | None = None,
    ) -> None:
        self._most_tokens = most_tokens
        self._most_cost = most_cost
        self._prices = prices or Prices()
        self._reserved = Tokens()
        self._under_way = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._longest_output = _FIRST_OUTPUT_TOKENS
        self.spent = spent or Tokens()  # what was spent before counts as well
        self._unwritten = Tokens()

    @classmethod
    def of(cls, allowance: Allowance, spent: Tokens) -> "Budget":
        """Return what is left of an allowance."""
        return cls(allowance.most_tokens, allowance.most_cost, allowance.prices, spent=spent)

    @property
    def cost(self) -> float:
        return self._prices.cost(self.spent)

    async def reserve_in_turn(self, request: ChatRequest) -> Tokens:
        """As `reserve`, but wait while what is set aside for other calls may become free.

        Raises:
            JudgeBudgetSpentError: there is not so much left, and no call is under way.
        """
        while True:
            try:
                return self.reserve(request)
            except JudgeBudgetSpentError:
                if not self._under_way:
                    raise
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled

    def reserve(self, request: ChatRequest) -> Tokens:
        """Set aside what a call may cost.

        Raises:
            JudgeBudgetSpentError: there is not so much left.
        """
        characters = sum(len(message.content) for message in request.messages)
        estimate = Tokens(math.ceil(characters / _CHARACTERS_PER_TOKEN), self._longest_output)
        planned = self.spent + self._reserved + estimate
        over_tokens = self._most_tokens is not None and planned.total > self._most_tokens
        if over_tokens or (self._most_cost is not None and self._prices.cost(planned) > self._most_cost):
            raise JudgeBudgetSpentError(
                f"The budget does not hold another call of about {estimate.total} tokens; "
                f"{self.spent.total} tokens are spent. Raise it to go on.",
                spent_tokens=str(self.spent.total),
                spent_cost=f"{self.cost:.6f}",
            )
        self._reserved += estimate
        self._under_way += 1
        return estimate

    def settle(self, reserved: Tokens, spent: Tokens) -> None:
        """Put what a call cost in the place of what was set aside for it."""
        self._reserved -= reserved
        self._under_way -= 1
        self.spent += spent
        self._unwritten += spent
        self._longest_output = max(self._longest_output, spent.output)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():  # as one whose caller has left
                each.set_result(None)

    def take_unwritten(self) -> Tokens:
        """Return what was spent since the last call: who asks writes it down."""
        taken, self._unwritten = self._unwritten, Tokens()
        return taken

    def put_back(self, tokens: Tokens) -> None:
        """Say that what `take_unwritten` gave could not be written down."""
        self._unwritten += tokens


class PaidChat:
    """A `Chat` that pays from a budget, for every attempt."""

    def __init__(self, chat: Chat, budget: Budget) -> None:
        self._chat = chat
        self._budget = budget

    async def complete(self, endpoint: Endpoint, request: ChatRequest, *, deadline_s: float) -> ChatAnswer:
        """Ask, if the budget holds it; see `Chat.complete`.

        Raises:
            JudgeBudgetSpentError: it does not.
        """
        reserved = await self._budget.reserve_in_turn(request)
        spent = reserved  # unless the endpoint says otherwise: a call that broke off may be billed
        try:
            answer = await self._chat.complete(endpoint, request, deadline_s=deadline_s)
            if answer.input_tokens or answer.output_tokens:
                spent = Tokens(answer.input_tokens, answer.output_tokens)
            return answer
        except (ProviderRefusedError, ProviderUnavailableError) as error:
            if "http_status" in error.metadata:
                spent = Tokens()  # refused before a model saw it
            raise
        finally:
            self._budget.settle(reserved, spent)
