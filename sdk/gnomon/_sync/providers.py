# Made from gnomon/_async/providers.py by tools/unasync.py. Do not edit.

"""`client.providers`."""

from collections.abc import Iterable, Iterator

from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._requests import field_mask, new_request_id
from gnomon._sync.connection import Connection
from gnomon.errors import NotFoundError
from gnomon.status import from_status
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

_SERVICE = "gnomon.v1.TrainerService"
_TEST_TIMEOUT_S = 75.0  # three completions


class Providers:
    """Providers are the endpoints of judges. A name is `providers/openai` or just `openai`."""

    def __init__(self, trainer_connection: Connection) -> None:
        self._trainer = trainer_connection

    def create(
        self, provider_id: str, *, base_url: str, model: str, api_key: str = "", display_name: str = ""
    ) -> pb.Provider:
        """Create a provider. The key is stored sealed and never comes back.

        Raises:
            AlreadyExistsError: the ID is taken.
            InvalidRequestError: the URL is neither public HTTPS nor one that the operator allows.
            MasterKeyMissingError: the trainer has nothing to seal the key with.
        """
        provider = pb.Provider(base_url=base_url, model=model, api_key=api_key, display_name=display_name)
        request = trainer.CreateProviderRequest(
            provider_id=provider_id, provider=provider, request_id=new_request_id()
        )
        return self._trainer.unary(f"{_SERVICE}/CreateProvider", request, pb.Provider)

    def get(self, name: str) -> pb.Provider:
        request = trainer.GetProviderRequest(name=shorthand.provider(name))
        return self._trainer.unary(f"{_SERVICE}/GetProvider", request, pb.Provider)

    def list(self) -> Iterator[pb.Provider]:
        """Yield all providers, ordered by name."""
        request, response = trainer.ListProvidersRequest(), trainer.ListProvidersResponse
        for page in self._trainer.pages(f"{_SERVICE}/ListProviders", request, response):
            yield from page.providers

    def update(self, provider: pb.Provider, fields: Iterable[str] = ()) -> pb.Provider:
        """Write the named fields of a provider, found by its name; without any, those that are set.

        A new `base_url` without a new `api_key` drops the key; `key_state` then is `DROPPED`.

        Raises:
            EtagMismatchError: `provider` has an etag, and someone wrote since.
        """
        request = trainer.UpdateProviderRequest(provider=provider, update_mask=field_mask(fields))
        return self._trainer.unary(f"{_SERVICE}/UpdateProvider", request, pb.Provider)

    def delete(self, name: str) -> None:
        """Delete a provider and its key."""
        request = trainer.DeleteProviderRequest(name=shorthand.provider(name))
        self._trainer.unary(f"{_SERVICE}/DeleteProvider", request, empty_pb2.Empty, repeated_is=NotFoundError)

    def test(self, name: str) -> trainer.TestProviderResponse:
        """Ask the endpoint for three tiny completions; return what it can do.

        Raises:
            ProviderRefusedError: the endpoint refuses, and will again.
            ProviderUnavailableError: it is away, overloaded or too slow.
            ProviderAnswerInvalidError: what it answers is no chat completion.
            EndpointNotAllowedError: it is at an address that may not be called.
            ProviderKeyUnreadableError: the stored key does not open.
        """
        request = trainer.TestProviderRequest(name=shorthand.provider(name))
        response = self._trainer.unary(
            f"{_SERVICE}/TestProvider", request, trainer.TestProviderResponse, timeout_s=_TEST_TIMEOUT_S
        )
        if response.HasField("error"):
            raise from_status(response.error)
        return response
