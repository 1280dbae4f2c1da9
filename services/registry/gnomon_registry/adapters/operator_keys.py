"""Keys that the operator made, and gave to this process by its environment."""

from collections.abc import Mapping
from datetime import datetime

from gnomon.api_keys import read_key
from gnomon.errors import ApiKeyMalformedError
from gnomon_registry.domain.api_key import ApiKey
from gnomon_registry.domain.api_keys import operator_key
from gnomon_rpc.settings import SettingError

_PREFIX = "GNOMON_REGISTRY_"
_SCOPES = {"admin": ("admin",), "trainer": ("registry:write", "service"), "scorer": ("service",)}


def operator_keys(texts: Mapping[str, str | None], access: str, now: datetime) -> dict[str, ApiKey]:
    """Return the operator's keys by their IDs. `texts` are what the settings give, by who it is for.

    Raises:
        SettingError: one cannot be read or is no key, two are the same, or they are given in vain,
            as access control is off.
    """
    found: dict[str, ApiKey] = {}
    for who, scopes in _SCOPES.items():
        text = texts.get(who)
        if text is None:
            continue
        variable = f"{_PREFIX}{who.upper()}_KEY"
        if access == "off":
            raise SettingError(f"{variable} is set, but keys are not asked for. Set {_PREFIX}ACCESS=keys.")
        try:
            key = operator_key(read_key(text), f"the operator's {who} key", scopes, now)
        except ApiKeyMalformedError as error:
            raise SettingError(
                f"{variable} is not the text of an API key. `gnomon keys generate` makes one."
            ) from error
        if found.setdefault(key.name.api_key, key) is not key:
            raise SettingError(
                f"{variable} is the same key as another one. `gnomon keys generate` makes one."
            )
    return found
