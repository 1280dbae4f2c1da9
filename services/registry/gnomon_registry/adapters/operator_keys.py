"""Keys that the operator made, and gave to this process by its environment."""

from datetime import datetime

from gnomon.api_keys import read_key
from gnomon.errors import ApiKeyMalformedError
from gnomon_registry.domain.api_key import ApiKey
from gnomon_registry.domain.api_keys import operator_key
from gnomon_registry.settings import RegistrySettings
from gnomon_rpc.settings import SettingError, secret_of

_PREFIX = "GNOMON_REGISTRY_"
_SCOPES = {"admin": ("admin",), "trainer": ("registry:write", "service"), "scorer": ("service",)}


def operator_keys(settings: RegistrySettings, now: datetime) -> dict[str, ApiKey]:
    """Return the operator's keys by their IDs.

    Raises:
        SettingError: one cannot be read or is no key, two are the same, or they are given in vain,
            as access control is off.
    """
    found: dict[str, ApiKey] = {}
    for who, scopes in _SCOPES.items():
        name = f"{who}_key"
        text = secret_of(name, getattr(settings, name), getattr(settings, f"{name}_file"), _PREFIX)
        if text is None:
            continue
        variable = f"{_PREFIX}{name.upper()}"
        if settings.access == "off":
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
