"""Who makes the call that is being handled: `current()`, in handlers and interceptors alike.

It is set before the handler begins, for its task and the threads that it
starts by `asyncio.to_thread`; for watches as well, where the project is only
the one that the header states, as the request has not been read. A call that is
refused has the key's name where it is known, and no scopes.
"""

import dataclasses
from contextvars import ContextVar
from dataclasses import dataclass

from gnomon.quotas import NO_QUOTAS, Quotas

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """The key of a call, and the project that the call is for.

    `name` is `apiKeys/{id}`, or empty where access control is off. `projects`
    are the IDs that the key is bound to; none stands for all. `project` is the
    ID of the one that this call is for, or empty where it names none. `quotas`
    are of the key.
    """

    name: str
    display_name: str
    scopes: frozenset[str]
    projects: frozenset[str] = frozenset()
    project: str = ""
    quotas: Quotas = NO_QUOTAS

    @property
    def is_local(self) -> bool:
        """Tell whether access control is off, so that nobody knows who calls."""
        return not self.name and ADMIN in self.scopes

    def may(self, scopes: frozenset[str]) -> bool:
        """Tell whether one of these scopes, or `admin`, is the caller's; `any` is everybody's."""
        return "any" in scopes or ADMIN in self.scopes or not scopes.isdisjoint(self.scopes)

    def may_act_for(self, project: str) -> bool:
        return not self.projects or project in self.projects

    def acting_for(self, project: str) -> "Caller":
        return self if project == self.project else dataclasses.replace(self, project=project)


LOCAL = Caller("", "local", frozenset({ADMIN}))
"""Everybody, where access control is off."""

UNKNOWN = Caller("", "unknown", frozenset())
"""Who shows no key that is known; a call of theirs is refused."""

_current: ContextVar[Caller] = ContextVar("gnomon_caller", default=LOCAL)


def current() -> Caller:
    """Return who makes the call that this task handles; `LOCAL` outside of calls."""
    return _current.get()


def set_current(caller: Caller) -> None:
    """Say it for the rest of the task; the interceptor does."""
    _current.set(caller)
