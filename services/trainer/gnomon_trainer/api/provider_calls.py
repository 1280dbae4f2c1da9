"""The methods of `TrainerService` that concern providers."""

from typing import Any

from google.protobuf import empty_pb2

from gnomon.errors import GnomonError
from gnomon.names import ProviderName, check_id
from gnomon.status import to_status
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import pages
from gnomon_rpc.masks import fields_to_write
from gnomon_rpc.request_ids import request_key
from gnomon_trainer.api.dataset_calls import as_request
from gnomon_trainer.api.messages import duration, timestamp
from gnomon_trainer.domain.provider_use_cases import ProviderDraft, Providers
from gnomon_trainer.domain.providers import Provider


class ProviderCalls:
    """Answers calls about providers."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def create(self, request: pb.CreateProviderRequest) -> resources.Provider:
        given = request.provider
        draft = ProviderDraft(
            name=ProviderName(check_id(request.provider_id, "provider_id")),
            display_name=given.display_name,
            base_url=given.base_url,
            model=given.model,
            key=given.api_key,
        )
        return provider_message(await self._providers.create(draft, as_request(request_key(request))))

    async def get(self, request: pb.GetProviderRequest) -> resources.Provider:
        return provider_message(await self._providers.get(ProviderName.parse(request.name)))

    async def list(self, request: pb.ListProvidersRequest) -> pb.ListProvidersResponse:
        size = pages.page_size(request.page_size)
        found = await self._providers.page(pages.read_token(request) or "", size + 1)
        last = found[size - 1].provider if len(found) > size else None
        return pb.ListProvidersResponse(
            providers=map(provider_message, found[:size]), next_page_token=pages.make_token(request, last)
        )

    async def update(self, request: pb.UpdateProviderRequest) -> resources.Provider:
        given = request.provider
        name = ProviderName.parse(given.name, "provider.name")
        texts = {field: getattr(given, field) for field in fields_to_write(given, request.update_mask.paths)}
        return provider_message(await self._providers.update(name, texts, given.etag))

    async def delete(self, request: pb.DeleteProviderRequest) -> empty_pb2.Empty:
        await self._providers.delete(ProviderName.parse(request.name))
        return empty_pb2.Empty()

    async def test(self, request: pb.TestProviderRequest) -> pb.TestProviderResponse:
        name = ProviderName.parse(request.name)
        await self._providers.get(name)  # that there is none is no answer of a test
        try:
            tested = await self._providers.test(name)
        except GnomonError as error:
            return pb.TestProviderResponse(error=to_status(error))
        return pb.TestProviderResponse(
            model=tested.model,
            latency=duration(tested.latency_s),
            json_schema=_ability(tested.schema_problem),
            log_probabilities=_ability(tested.log_probabilities_problem),
        )


def provider_message(provider: Provider) -> resources.Provider:
    """Return the provider. Its key, sealed or not, has no way into the message."""
    return resources.Provider(
        name=str(provider.name),
        display_name=provider.display_name,
        base_url=provider.base_url,
        model=provider.model,
        key_state=provider.key_state.name,
        etag=provider.etag,
        create_time=timestamp(provider.create_time),
        update_time=timestamp(provider.update_time),
    )


def _ability(problem: str) -> Any:
    return pb.TestProviderResponse.Ability(works=not problem, problem=problem)
