"""The rules of access: what a call shows, what a key may do, and for which project. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gnomon.errors import (
    ApiKeyExpiredError,
    ApiKeyMalformedError,
    ApiKeyMissingError,
    ApiKeyRevokedError,
    ApiKeyUnknownError,
    InvalidRequestError,
    PermissionDeniedError,
    ProjectDeniedError,
    ProjectUnstatedError,
    ScopeMissingError,
    UnauthenticatedError,
    Violation,
)
from gnomon.names import ProjectName, check_id
from gnomon_rpc.caller import Caller

AUTHORIZATION = "authorization"
PROJECT = "gnomon-project"
_SCHEME = "bearer "

Metadata = Iterable[tuple[str, str | bytes]]


class KeyState(Enum):
    """What became of a key; the names are those of the contract."""

    VALID = 1
    UNKNOWN = 2
    EXPIRED = 3
    REVOKED = 4


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """What a source says of a key that was shown; `caller` is set for a valid one.

    `name` is empty for an unknown one. `end_time_s` is when the key ends by
    itself, in seconds of the epoch.
    """

    state: KeyState
    name: str = ""
    caller: Caller | None = None
    end_time_s: float | None = None


class KeySource(Protocol):
    """Where keys are known: the registry's database, or the registry asked over the wire."""

    async def look_up(self, key_id: str, secret_sha256: bytes) -> KeyAnswer:
        """Tell what is so now, not from a memory of its own.

        Raises:
            GnomonError: that cannot be told at this time.
        """
        ...


def shown_key(metadata: Metadata) -> str:
    """Return the text of the key that a call shows, unchecked.

    Raises:
        ApiKeyMissingError: it shows none.
        ApiKeyMalformedError: it shows something else, or several.
    """
    shown = [value for key, value in metadata if key == AUTHORIZATION]
    if not shown:
        raise ApiKeyMissingError(
            "This service wants an API key. Give one: gnomon.Client(api_key=…), or the variable "
            "GNOMON_API_KEY or GNOMON_API_KEY_FILE. An administrator makes it: gnomon keys create."
        )
    value = shown[0]
    if len(shown) > 1 or not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
        raise ApiKeyMalformedError("The header `authorization` must be `Bearer ` and one API key.")
    return value[len(_SCHEME) :]


def stated_project(metadata: Metadata) -> str:
    """Return the ID of the project that a call says it is for; empty if it says none.

    Raises:
        InvalidRequestError: that is no project.
    """
    for key, value in metadata:
        if key == PROJECT:
            if not isinstance(value, str):
                break
            if value.startswith("projects/"):
                return ProjectName.parse(value, PROJECT).project
            return check_id(value, PROJECT)
    else:
        return ""
    raise InvalidRequestError(f"{PROJECT} must be text.", violations=[Violation(PROJECT, "must be text")])


def refusal_of(answer: KeyAnswer) -> UnauthenticatedError:
    """Return the error for a key that is not valid."""
    if answer.state is KeyState.EXPIRED:
        return ApiKeyExpiredError(
            f"The API key {answer.name} has expired. An administrator makes a new one: gnomon keys create.",
            resource=answer.name,
        )
    if answer.state is KeyState.REVOKED:
        return ApiKeyRevokedError(
            f"The API key {answer.name} was revoked, or this text of it was replaced. Ask an "
            "administrator for its new text, or for another key: gnomon keys create.",
            resource=answer.name,
        )
    return ApiKeyUnknownError(
        "The API key is not known here. Check that it is of this deployment; an administrator makes "
        "one: gnomon keys create."
    )


def check_scope(caller: Caller, method: str, wanted: frozenset[str] | None) -> None:
    """Refuse a caller without a scope that the method wants.

    Raises:
        PermissionDeniedError: nobody may call it: it has no entry in the table.
        ScopeMissingError: the caller may not.
    """
    short = method.rpartition("/")[2]
    if wanted is None:
        raise PermissionDeniedError(f"{short} may be called by nobody: no scope is declared for it.")
    if not caller.may(wanted):
        scopes = sorted(wanted)
        raise ScopeMissingError(
            f"{short} needs an API key with the scope {' or '.join(scopes)}, and {_shown(caller)} has "
            f"{', '.join(sorted(caller.scopes)) or 'none'}. An administrator makes one: gnomon keys create.",
            method=short,
            wanted=",".join(scopes),
            resource=caller.name,
        )


def check_named(caller: Caller, projects: Iterable[str]) -> None:
    """Refuse projects that the caller's key is not bound to.

    Raises:
        ProjectDeniedError: the first of them that it may not act for. Whether there is such a
            project is not told.
    """
    for project in projects:
        if not caller.may_act_for(project):
            raise ProjectDeniedError(
                f"{_shown(caller)} may act for {_list(caller)}, and not for {project[:63]!r}. Name "
                "another project, or ask an administrator for a key: gnomon keys create.",
                project=project[:63],
                resource=caller.name,
            )


def check_owner(caller: Caller, project: str, resource: object) -> None:
    """Refuse what is of a project that the caller's key is not bound to.

    Raises:
        ProjectDeniedError: the caller may not act for it. Which project it is, is not told: the
            caller has not named it.
    """
    if not caller.may_act_for(project):
        raise ProjectDeniedError(
            f"{_shown(caller)} may act for {_list(caller)}, and {resource} is of another project. "
            "Ask an administrator for a key: gnomon keys create.",
            resource=caller.name,
        )


def settled(caller: Caller, named: Sequence[str]) -> Caller:
    """Return the caller acting for the call's project: the first that the request names, else the stated.

    A key that is bound to one project acts for that one where nothing is said.

    Raises:
        ProjectDeniedError: the key is not bound to it.
        ProjectUnstatedError: the key is bound to several, and nothing says for which this call is.
    """
    check_named(caller, named)
    if named:
        return caller.acting_for(named[0])
    if caller.project or not caller.projects:
        return caller
    if len(caller.projects) > 1:
        raise ProjectUnstatedError(
            f"{_shown(caller)} may act for {_list(caller)}: say for which of them the call is. Set "
            f"gnomon.Client(project=…), the variable GNOMON_PROJECT, or the header {PROJECT}.",
            resource=caller.name,
        )
    return caller.acting_for(next(iter(caller.projects)))


def _shown(caller: Caller) -> str:
    return f"the API key {caller.name}"


def _list(caller: Caller) -> str:
    return ", ".join(f"projects/{project}" for project in sorted(caller.projects)[:10])
