"""A judge whose every answer is written down, for work that goes on after a crash. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gnomon.errors import ProviderChangedError
from gnomon.names import ProviderName
from gnomon_trainer.domain.careful_chat import CarefulChat, Gate
from gnomon_trainer.domain.chat import Chat, Endpoint
from gnomon_trainer.domain.chat_budget import PaidChat
from gnomon_trainer.domain.derived_bytes import DerivedBytes
from gnomon_trainer.domain.held_work import HeldWork
from gnomon_trainer.domain.judging import Asking
from gnomon_trainer.domain.paid_work_store import Journal
from gnomon_trainer.domain.provider_gates import ProviderGates
from gnomon_trainer.domain.provider_use_cases import Providers
from gnomon_trainer.domain.remembered_chat import KeptChat, RememberedChat

# Work of hours outlives minutes of trouble; who waits for an answer on a screen would not.
_ATTEMPTS = 8
_LONGEST_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class PaidAsking:
    """What paid work asks providers with: within limits and budget, through the journal."""

    providers: Providers
    chat: Chat
    gates: ProviderGates
    journal: Journal
    draw: Callable[[float, float], float]

    async def endpoint(self, provider: str, base_url: str, model: str) -> Endpoint:
        """Return where a provider is reached, if that is where the work began.

        Raises:
            NotFoundError: the provider was deleted.
            ProviderChangedError: it names another model or URL by now.
            GnomonError: its key does not open.
        """
        endpoint = await self.providers.endpoint(ProviderName.parse(provider, "provider"))
        if (endpoint.base_url, endpoint.model) == (base_url, model):
            return endpoint
        raise ProviderChangedError(
            f"{provider} was {model} at {base_url} when this began, and is {endpoint.model} at "
            f"{endpoint.base_url} now: its answers would not go together. Change it back and resume, or "
            "begin anew.",
            resource=provider,
        )

    def asker(self, held: HeldWork, provider: str) -> "Asker":
        gate = self.gates.gate(ProviderName.parse(provider, "provider"))
        return Asker(PaidChat(self.chat, held.budget), self.journal, held, gate, self.draw)

    @property
    def concurrency(self) -> int:
        return self.gates.limits.concurrency


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes the `Asking` of each subject of a piece of work, such as a row."""

    chat: Chat
    journal: Journal
    held: HeldWork
    gate: Gate
    draw: Callable[[float, float], float]

    def about(self, subject: str, planted: str = "", *, kept_under: str = "") -> Asking:
        """Return how to ask about a subject: the same markers, and so the same answers, each time.

        `kept_under` is the subject that answers are kept under, where several are dropped together.
        """
        work, held = self.held.work, self.held
        kept = KeptChat(
            self.chat,
            self.journal,
            held.budget,
            uid=work.uid,
            subject=kept_under or subject,
            check=held.check,
        )
        chat = RememberedChat(self._careful(kept), self.journal, work.uid)
        return Asking(chat, DerivedBytes(bytes.fromhex(work.secret), subject), planted)

    def _careful(self, chat: Chat) -> CarefulChat:
        patience = replace(self.gate.limits, attempts=_ATTEMPTS, longest_wait_s=_LONGEST_WAIT_S)
        return CarefulChat(chat, self.gate, self.draw, patience)
