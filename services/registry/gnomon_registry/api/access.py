"""All RPCs of access control in one servicer."""

# ruff: noqa: ARG002, N802  RPCs have the proto's names and gRPC's parameters

from datetime import UTC, datetime, timedelta
from typing import Any

from gnomon.errors import InvalidRequestError, Violation
from gnomon.names import ApiKeyName, ProjectName
from gnomon.threads import in_thread
from gnomon.v1 import access_service_pb2 as rpc
from gnomon.v1 import access_service_pb2_grpc
from gnomon_registry.api.messages import timestamp
from gnomon_registry.api.paging import page
from gnomon_registry.domain.api_key import ApiKey, KeyState
from gnomon_registry.domain.api_keys import ApiKeys, Wanted
from gnomon_rpc import caller
from gnomon_rpc.masks import fields_to_write
from gnomon_rpc.quota_messages import quotas_message, quotas_of
from gnomon_rpc.request_ids import request_key

FULL_NAME = "gnomon.v1.AccessService"

_AGES_S = 1e9  # longer than any rule allows, and not too long for a timedelta


class AccessServicer(access_service_pb2_grpc.AccessServiceServicer):
    """Implements `gnomon.v1.AccessService`."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def CreateApiKey(self, request: rpc.CreateApiKeyRequest, context: Any) -> rpc.CreateApiKeyResponse:
        draft = request.api_key
        expires = _time(draft) if draft.HasField("expire_time") else None
        wanted = Wanted(
            display_name=draft.display_name,
            scopes=tuple(draft.scopes),
            projects=tuple(draft.projects),
            expire_time=expires,
            quotas=quotas_of(draft.quotas),
        )
        created_by = caller.current().name or caller.LOCAL.display_name
        key, text = await in_thread(self._keys.create, wanted, created_by, request_key(request))
        return rpc.CreateApiKeyResponse(api_key=_message(key), key_text=text)

    async def GetApiKey(self, request: rpc.GetApiKeyRequest, context: Any) -> rpc.ApiKey:
        return _message(await in_thread(self._keys.get, ApiKeyName.parse(request.name)))

    async def ListApiKeys(self, request: rpc.ListApiKeysRequest, context: Any) -> rpc.ListApiKeysResponse:
        found = await page(request, self._keys.page, lambda key: key.name.api_key, _message)
        return rpc.ListApiKeysResponse(api_keys=found.items, next_page_token=found.next_page_token)

    async def UpdateApiKey(self, request: rpc.UpdateApiKeyRequest, context: Any) -> rpc.ApiKey:
        draft = request.api_key
        name = ApiKeyName.parse(draft.name, "api_key.name")
        written = fields_to_write(draft, request.update_mask.paths)
        quotas = quotas_of(draft.quotas) if "quotas" in written else None
        texts = {field: getattr(draft, field) for field in written - {"quotas"}}
        return _message(await in_thread(self._keys.update, name, texts, quotas, draft.etag))

    async def RotateApiKey(self, request: rpc.RotateApiKeyRequest, context: Any) -> rpc.RotateApiKeyResponse:
        name = ApiKeyName.parse(request.name)
        overlap = timedelta(seconds=min(request.overlap.ToNanoseconds() / 1e9, _AGES_S))
        key, text = await in_thread(self._keys.rotate, name, overlap, request.etag)
        return rpc.RotateApiKeyResponse(api_key=_message(key), key_text=text)

    async def RevokeApiKey(self, request: rpc.RevokeApiKeyRequest, context: Any) -> rpc.ApiKey:
        return _message(await in_thread(self._keys.revoke, ApiKeyName.parse(request.name)))

    async def VerifyApiKey(self, request: rpc.VerifyApiKeyRequest, context: Any) -> rpc.VerifyApiKeyResponse:
        """Answer from the database: whoever asks remembers the answer, and two memories would be too long."""
        found = await in_thread(self._keys.verify, request.api_key_id, request.secret_sha256)
        answer = rpc.VerifyApiKeyResponse(state=found.state.name)
        if found.key is not None:
            answer.name = str(found.key.name)
        if found.key is not None and found.state is KeyState.VALID:
            answer.display_name = found.key.display_name
            answer.scopes.extend(found.key.scopes)
            answer.project_ids.extend(found.key.projects)
            answer.quotas.MergeFrom(quotas_message(found.key.quotas) or rpc.Quotas())
            if found.end_time is not None:
                answer.expire_time.FromDatetime(found.end_time)
        return answer

    async def IdentifyCaller(
        self, request: rpc.IdentifyCallerRequest, context: Any
    ) -> rpc.IdentifyCallerResponse:
        found = caller.current()
        return rpc.IdentifyCallerResponse(
            name=found.name,
            display_name=found.display_name,
            scopes=sorted(found.scopes),
            projects=[str(ProjectName(project)) for project in sorted(found.projects)],
            project=str(ProjectName(found.project)) if found.project else "",
        )


def _time(draft: rpc.ApiKey) -> datetime:
    try:
        return draft.expire_time.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        rule = "is no time"
        raise InvalidRequestError(
            f"api_key.expire_time {rule}.", violations=[Violation("api_key.expire_time", rule)]
        ) from error


def _message(key: ApiKey) -> rpc.ApiKey:
    return rpc.ApiKey(
        name=str(key.name),
        display_name=key.display_name,
        scopes=key.scopes,
        projects=[str(ProjectName(project)) for project in key.projects],
        expire_time=timestamp(key.expire_time),
        last_four=key.last_four,
        created_by=key.created_by,
        create_time=timestamp(key.create_time),
        rotate_time=timestamp(key.rotate_time),
        overlap_end_time=timestamp(key.overlap_end_time),
        revoke_time=timestamp(key.revoke_time),
        etag=key.etag,
        quotas=quotas_message(key.quotas),
    )
