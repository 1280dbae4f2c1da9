"""`client.keys`."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from gnomon import shorthand
from gnomon._async.connection import AsyncConnection
from gnomon._requests import field_mask, new_request_id, one_or_several
from gnomon.quotas import NO_QUOTAS, Quotas, Usage
from gnomon.v1 import access_service_pb2 as access
from gnomon.v1 import usage_service_pb2 as usage

_SERVICE = "gnomon.v1.AccessService"


class AsyncKeys:
    """API keys, which the registry knows. A name is `apiKeys/k3v…` or just `k3v…`.

    All but `identify` want a key with the scope `admin`.
    """

    def __init__(self, registry_connection: AsyncConnection, trainer_connection: AsyncConnection) -> None:
        self._registry = registry_connection
        self._trainer = trainer_connection

    async def create(
        self,
        scopes: str | Iterable[str],
        *,
        display_name: str = "",
        projects: str | Iterable[str] = (),
        expire_time: datetime | None = None,
        quotas: Quotas = NO_QUOTAS,
    ) -> access.CreateApiKeyResponse:
        """Create a key; `key_text` of the answer is what its holder shows, and is told this once.

        `scopes` are of `score`, `label`, `train`, `registry:write`, `service`, `admin`. `projects`
        are the only ones that the key may act for; without any it may for all. `expire_time` has
        a time zone. `quotas` say what the key may use, as
        `gnomon.quotas.Quotas(calls_per_second=20)`.

        It is not called again where nobody knows what became of the call: that might leave a key behind
        that nobody has.

        Raises:
            InvalidRequestError: a scope is unknown, or the key makes no sense.
            NotFoundError: there is no such project.
        """
        key = access.ApiKey(
            display_name=display_name,
            scopes=one_or_several(scopes),
            projects=[shorthand.project(project) for project in one_or_several(projects)],
            quotas=access.Quotas(**asdict(quotas)),
        )
        if expire_time is not None:
            key.expire_time.FromDatetime(expire_time)
        request = access.CreateApiKeyRequest(api_key=key, request_id=new_request_id())
        response = access.CreateApiKeyResponse
        return await self._registry.unary(f"{_SERVICE}/CreateApiKey", request, response, repeats=False)

    async def get(self, name: str) -> access.ApiKey:
        request = access.GetApiKeyRequest(name=shorthand.api_key(name))
        return await self._registry.unary(f"{_SERVICE}/GetApiKey", request, access.ApiKey)

    async def list(self) -> AsyncIterator[access.ApiKey]:
        """Yield all keys, ordered by name; those that were revoked or have expired as well."""
        request, response = access.ListApiKeysRequest(), access.ListApiKeysResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListApiKeys", request, response):
            for key in page.api_keys:
                yield key

    async def update(self, key: access.ApiKey, fields: Iterable[str] = ()) -> access.ApiKey:
        """Write the named fields of a key, found by its name: `display_name`, `quotas` (all of them).

        Raises:
            EtagMismatchError: `key` has an etag, and someone wrote since.
        """
        request = access.UpdateApiKeyRequest(api_key=key, update_mask=field_mask(fields))
        return await self._registry.unary(f"{_SERVICE}/UpdateApiKey", request, access.ApiKey)

    async def rotate(self, name: str, *, overlap_s: float = 0.0) -> access.RotateApiKeyResponse:
        """Give a key a new text, told this once; earlier texts stay valid for `overlap_s` at most.

        It is not called again where nobody knows what became of the call. Call it again yourself, with
        the same overlap: the text that clients use stays valid, beside the one that nobody has.

        Raises:
            ApiKeyRevokedError: the key was revoked.
            InvalidRequestError: the overlap is too long, or too many texts would be valid at once.
        """
        request = access.RotateApiKeyRequest(name=shorthand.api_key(name))
        request.overlap.FromTimedelta(timedelta(seconds=overlap_s))
        response = access.RotateApiKeyResponse
        return await self._registry.unary(f"{_SERVICE}/RotateApiKey", request, response, repeats=False)

    async def revoke(self, name: str) -> access.ApiKey:
        """End a key for good, everywhere within a second."""
        request = access.RevokeApiKeyRequest(name=shorthand.api_key(name))
        return await self._registry.unary(f"{_SERVICE}/RevokeApiKey", request, access.ApiKey)

    async def identify(self) -> access.IdentifyCallerResponse:
        """Tell what the key of this client may do."""
        request, response = access.IdentifyCallerRequest(), access.IdentifyCallerResponse
        return await self._registry.unary(f"{_SERVICE}/IdentifyCaller", request, response)

    async def usage(self, name: str) -> dict[str, Usage]:
        """Return what a key uses of the registry and of the trainer, by service."""
        request = usage.GetUsageRequest(name=shorthand.api_key(name))
        method = "gnomon.v1.UsageService/GetUsage"
        found = {
            "registry": await self._registry.unary(method, request, usage.Usage),
            "trainer": await self._trainer.unary(method, request, usage.Usage),
        }
        return {service: Usage(each.storage_bytes, each.training_hours) for service, each in found.items()}

    async def verify(
        self, key_id: str, secret_sha256: bytes, *, timeout_s: float | None = None
    ) -> access.VerifyApiKeyResponse:
        """Tell what became of a key that somebody showed; for services, with the scope `service`.

        `secret_sha256` are the 32 bytes of `gnomon.api_keys.KeyText.secret_sha256`.
        """
        request = access.VerifyApiKeyRequest(api_key_id=key_id, secret_sha256=secret_sha256)
        response = access.VerifyApiKeyResponse
        return await self._registry.unary(f"{_SERVICE}/VerifyApiKey", request, response, timeout_s=timeout_s)
