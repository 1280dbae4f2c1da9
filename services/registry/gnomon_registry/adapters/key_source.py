"""The registry's own keys, for its own gate: read from the database each time."""

from gnomon.threads import in_thread
from gnomon_registry.domain.api_keys import ApiKeys
from gnomon_rpc.access import KeyAnswer, KeyState
from gnomon_rpc.caller import Caller


class OwnKeys:
    """A `KeySource`."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def look_up(self, key_id: str, secret_sha256: bytes) -> KeyAnswer:
        found = await in_thread(self._keys.verify, key_id, secret_sha256)
        state, key = KeyState[found.state.name], found.key
        if key is None:
            return KeyAnswer(state)
        name = str(key.name)
        if state is not KeyState.VALID:
            return KeyAnswer(state, name)
        scopes, projects = frozenset(key.scopes), frozenset(key.projects)
        caller = Caller(name, key.display_name, scopes, projects, quotas=key.quotas)
        ends = found.end_time.timestamp() if found.end_time is not None else None
        return KeyAnswer(state, name, caller, ends)
