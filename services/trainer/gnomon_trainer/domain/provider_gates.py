"""One gate for each provider: all who ask it in this process share its limits. Pure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gnomon.names import ProviderName
from gnomon_trainer.domain.careful_chat import ChatLimits, Gate


@dataclass(slots=True)
class ProviderGates:
    limits: ChatLimits
    clock: Callable[[], float]  # seconds that only grow
    sleep: Callable[[float], Awaitable[object]]
    waited: Callable[[float], None] = lambda _: None  # hears how long each call waited for its turn
    _gates: dict[ProviderName, Gate] = field(default_factory=dict)

    def gate(self, provider: ProviderName) -> Gate:
        if provider not in self._gates:
            self._gates[provider] = Gate(self.limits, self.clock, self.sleep, self.waited)
        return self._gates[provider]
