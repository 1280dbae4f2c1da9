"""Keys as the registry knows them, asked over the wire; and how a service reaches the registry at all."""

from datetime import UTC
from typing import Any

from gnomon import AsyncClient
from gnomon.addresses import is_loopback
from gnomon.api_keys import read_key
from gnomon.errors import ApiKeyMalformedError
from gnomon.v1 import access_service_pb2 as pb
from gnomon_rpc.access import KeyAnswer, KeyState
from gnomon_rpc.caller import Caller
from gnomon_rpc.quota_messages import quotas_of
from gnomon_rpc.settings import RegistryClientSettings, SettingError, secret_of

_TIMEOUT_S = 1.0


class RegistryKeys:
    """A `KeySource`. The registry gets the digest of a secret, never the secret."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def look_up(self, key_id: str, secret_sha256: bytes) -> KeyAnswer:
        found = await self._client.keys.verify(key_id, secret_sha256, timeout_s=_TIMEOUT_S)
        state = _STATES.get(found.state, KeyState.UNKNOWN)  # a newer registry's reason is a refusal as well
        if state is not KeyState.VALID:
            return KeyAnswer(state, found.name)
        ends = found.expire_time.ToDatetime(UTC).timestamp() if found.HasField("expire_time") else None
        scopes, projects = frozenset(found.scopes), frozenset(found.project_ids)
        quotas = quotas_of(found.quotas)
        caller = Caller(found.name, found.display_name, scopes, projects, quotas=quotas)
        return KeyAnswer(state, found.name, caller, ends)

    async def close(self) -> None:
        await self._client.close()


_STATES = {
    pb.VerifyApiKeyResponse.VALID: KeyState.VALID,
    pb.VerifyApiKeyResponse.EXPIRED: KeyState.EXPIRED,
    pb.VerifyApiKeyResponse.REVOKED: KeyState.REVOKED,
}


def registry_options(settings: RegistryClientSettings) -> dict[str, Any]:
    """Return the arguments with which a client reaches the registry as this service.

    Nothing is left to the variables of the SDK, which are those of a user.

    Raises:
        SettingError: the key cannot be read, or is needed and not there.
    """
    prefix = str(type(settings).model_config.get("env_prefix", ""))
    given = (settings.registry_api_key, settings.registry_api_key_file)
    key = secret_of("registry_api_key", *given, prefix)
    if key is None and settings.access == "keys":
        raise SettingError(
            f"{prefix}ACCESS=keys needs {prefix}REGISTRY_API_KEY or {prefix}REGISTRY_API_KEY_FILE: a key of "
            "this service's own, with which it asks the registry about the keys of others."
        )
    _check_key(key, settings, prefix)
    certificates = (settings.registry_ca_file, settings.registry_certificate_file)
    return {
        # Nobody calls the other two through it: there, a user's addresses would only be refused the key.
        **dict.fromkeys(("registry", "trainer", "scorer"), settings.registry_address),
        "api_key": key or "",
        "project": "",
        "tls": settings.registry_tls or any(certificates),
        "ca_file": settings.registry_ca_file or "",
        "certificate_file": settings.registry_certificate_file or "",
        "certificate_key_file": settings.registry_certificate_key_file or "",
        "plain_text_key": "without-tls" in settings.unprotected_words,
    }


def _check_key(key: str | None, settings: RegistryClientSettings, prefix: str) -> None:
    """Say what is wrong in the words of an operator; the client would in those of a user."""
    if key is None:
        return
    try:
        read_key(key)
    except ApiKeyMalformedError as error:
        raise SettingError(f"{prefix}REGISTRY_API_KEY is not the text of an API key.") from error
    address = settings.registry_address
    speaks_tls = settings.registry_tls or settings.registry_ca_file or settings.registry_certificate_file
    if speaks_tls or address.startswith("https://") or is_loopback(address):
        return
    if "without-tls" not in settings.unprotected_words:
        raise SettingError(
            f"{prefix}REGISTRY_API_KEY would go to {address} over plain text, where others may read it. Set "
            f"{prefix}REGISTRY_CA_FILE or {prefix}REGISTRY_TLS=true; in a network that protects it, "
            f"{prefix}UNPROTECTED=without-tls."
        )


def registry_keys(settings: RegistryClientSettings) -> RegistryKeys | None:
    """Return where this service's callers' keys are known; None where it wants none.

    Raises:
        SettingError: see `registry_options`.
    """
    if settings.access == "off":
        return None
    return RegistryKeys(AsyncClient(**registry_options(settings), timeout_s=_TIMEOUT_S))
