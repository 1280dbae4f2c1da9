"""Use cases of providers."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.names import ProviderName
from gnomon.threads import in_thread
from gnomon_trainer.domain import providers as rules
from gnomon_trainer.domain.chat import Chat, Endpoint
from gnomon_trainer.domain.datasets import Request
from gnomon_trainer.domain.provider_testing import ProviderTest, examined
from gnomon_trainer.domain.providers import KeyState, Provider, ProviderStore, Vault
from gnomon_trainer.domain.run_use_cases import check_display_name


@dataclass(frozen=True, slots=True)
class ProviderDraft:
    """What a caller wants stored. `key` is empty for none."""

    name: ProviderName
    display_name: str
    base_url: str
    model: str
    key: str = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Providers:
    """Stores providers, gives out their endpoints, tests them.

    `check_url` raises InvalidRequestError for a URL that can be seen to be refused. Secrets are sealed
    before the store sees them.
    """

    store: ProviderStore
    vault: Vault
    chat: Chat
    check_url: Callable[[str], None]
    clock: Callable[[], float]  # seconds since the epoch
    stopwatch: Callable[[], float]  # seconds that only grow
    new_etag: Callable[[], str]

    async def create(self, draft: ProviderDraft, request: Request | None) -> Provider:
        """Store a provider; see `ProviderStore.create`.

        Raises:
            InvalidRequestError: a field breaks a rule.
            MasterKeyMissingError: there is a key and no way to seal it.
        """
        base_url = self._checked_url(draft.base_url)
        now = self.clock()
        key = rules.check_key(draft.key)
        provider = Provider(
            provider=draft.name.provider,
            display_name=check_display_name(draft.display_name),
            base_url=base_url,
            model=rules.check_model(draft.model),
            sealed_key=self.vault.seal(key, rules.bound_to(draft.name, base_url)) if key else b"",
            key_state=KeyState.STORED if key else KeyState.NO_KEY,
            etag=self.new_etag(),
            create_time=now,
            update_time=now,
        )
        request = rules.without_trace(request, self.vault.fingerprint(key) if key else "")
        return await in_thread(self.store.create, provider, request)

    async def get(self, name: ProviderName) -> Provider:
        return await in_thread(self.store.get, name)

    async def page(self, after: str, size: int) -> Sequence[Provider]:
        return await in_thread(self.store.page, after, size)

    async def update(self, name: ProviderName, texts: Mapping[str, str], etag: str) -> Provider:
        """Write the given fields: `display_name`, `base_url`, `model`, `api_key`.

        Raises:
            EtagMismatchError: `etag` is given, and someone wrote since.
        """
        written = {field: self._checked(field, value) for field, value in texts.items()}

        def change(provider: Provider) -> Provider:
            rules.check_etag(provider, etag)
            changed = self._changed(provider, written)
            if changed == provider:
                return provider
            return dataclasses.replace(changed, etag=self.new_etag(), update_time=self.clock())

        return await in_thread(self.store.change, name, change)

    async def delete(self, name: ProviderName) -> None:
        await in_thread(self.store.delete, name)

    async def endpoint(self, name: ProviderName) -> Endpoint:
        """Return where the provider is reached, with its key.

        Raises:
            NotFoundError: there is no such provider.
            MasterKeyMissingError: its key was sealed, and there is no master key now.
            ProviderKeyUnreadableError: its key does not open.
        """
        provider = await self.get(name)
        key = ""
        if provider.sealed_key:
            key = self.vault.open(provider.sealed_key, rules.bound_to(name, provider.base_url))
        return Endpoint(str(name), provider.base_url, provider.model, key)

    async def test(self, name: ProviderName) -> ProviderTest:
        """Ask the endpoint for three tiny completions; raise what `endpoint` and the first of them raise."""
        return await examined(self.chat, await self.endpoint(name), self.stopwatch)

    def _checked(self, field: str, value: str) -> str:
        match field:
            case "display_name":
                return check_display_name(value)
            case "base_url":
                return self._checked_url(value)
            case "model":
                return rules.check_model(value)
        return rules.check_key(value)

    def _checked_url(self, base_url: str) -> str:
        checked = rules.checked_url(base_url)
        self.check_url(rules.completions_url(checked))
        return checked

    def _changed(self, provider: Provider, written: Mapping[str, str]) -> Provider:
        texts = {field: value for field, value in written.items() if field != "api_key"}
        changed = dataclasses.replace(provider, **texts)  # type: ignore[arg-type]  # texts are its texts
        if "api_key" in written:
            return self._with_key(changed, written["api_key"])
        if provider.sealed_key and changed.base_url != provider.base_url:
            return dataclasses.replace(changed, sealed_key=b"", key_state=KeyState.DROPPED)
        return changed

    def _with_key(self, provider: Provider, key: str) -> Provider:
        if not key:
            return dataclasses.replace(provider, sealed_key=b"", key_state=KeyState.NO_KEY)
        sealed = self.vault.seal(key, rules.bound_to(provider.name, provider.base_url))
        return dataclasses.replace(provider, sealed_key=sealed, key_state=KeyState.STORED)
