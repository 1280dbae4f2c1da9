"""What the trainer tells of how long its work took, call by call and stage by stage. Pure.

No method may ever be given the text of a user: names of resources, counts,
reasons. Calls must be quick and never raise.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from gnomon_trainer.domain.chat import ChatAnswer, Endpoint

Attributes = Mapping[str, str | int | float | bool]


class WorkSpan(Protocol):
    """Work that goes on for long after the call that asked for it."""

    def stage(self, name: str) -> None:
        """The work comes to another stage; what it does from here on in this thread is part of it."""

    def note(self, name: str, attributes: Attributes) -> None:
        """Something happened, such as an evaluation."""

    def left(self, state: str, reason: str = "") -> None:
        """The work ends, or is left to others, as what it is now, with the reason of its failure."""


class AskSpan(Protocol):
    """A call of a provider."""

    def answered(self, answer: ChatAnswer) -> None: ...

    def failed(self, reason: str) -> None: ...


class Tracing(Protocol):
    def here(self) -> str:
        """Return the trace of the call that is being handled, as a `traceparent`; empty if there is none."""

    def work(
        self, name: str, trace: str, attributes: Attributes
    ) -> contextlib.AbstractContextManager[WorkSpan]:
        """Work begins that was asked for in a trace, here and in what is begun within the block."""

    def asking(self, endpoint: Endpoint) -> contextlib.AbstractContextManager[AskSpan]:
        """A provider is asked."""


class Untraced:
    """Tells nobody. All three ports in one."""

    def here(self) -> str:
        return ""

    @contextlib.contextmanager
    def work(self, name: str, trace: str, attributes: Attributes) -> Iterator[WorkSpan]:  # noqa: ARG002
        yield self

    @contextlib.contextmanager
    def asking(self, endpoint: Endpoint) -> Iterator[AskSpan]:  # noqa: ARG002
        yield self

    def stage(self, name: str) -> None: ...

    def note(self, name: str, attributes: Attributes) -> None: ...

    def left(self, state: str, reason: str = "") -> None: ...

    def answered(self, answer: ChatAnswer) -> None: ...

    def failed(self, reason: str) -> None: ...
