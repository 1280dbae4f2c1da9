"""`client.aliases`."""

from collections.abc import AsyncIterator

from google.protobuf import empty_pb2

from gnomon import shorthand
from gnomon._async.connection import AsyncConnection
from gnomon._requests import new_request_id
from gnomon.errors import NotFoundError
from gnomon.v1 import registry_service_pb2 as registry
from gnomon.v1 import resources_pb2 as pb

_SERVICE = "gnomon.v1.RegistryService"


class AsyncAliases:
    """Aliases are movable names of versions.

    A name is `metrics/toxicity/aliases/production` or `toxicity@production`.
    """

    def __init__(self, registry_connection: AsyncConnection) -> None:
        self._registry = registry_connection

    async def set(
        self,
        metric: str,
        alias: str,
        version: str | int,
        *,
        protected: bool | None = None,
        allow_protected: bool = False,
        etag: str = "",
        must_be_new: bool = False,
    ) -> pb.Alias:
        """Point an alias at a version, for all readers in one step; create it if there is none.

        Args:
            metric: such as `toxicity`.
            alias: such as `production`.
            version: its number, another alias of the metric, or a whole name.
            protected: whether the alias shall be protected; None leaves that as it is.
            allow_protected: move the alias, or end its protection, although it is protected.
            etag: of the alias as it was read, to fail if someone moved it since.
            must_be_new: fail if someone else made it meanwhile, and it points elsewhere.

        Raises:
            AliasProtectedError: it is protected, and `allow_protected` is not set.
            EtagMismatchError: someone moved it since, or made it.
            NotFoundError: there is no such metric or version.
        """
        name = shorthand.alias_of(metric, alias)
        metric_version = shorthand.version_of(metric, version)
        if protected is None:
            protected = await self._is_protected(name)
        message = pb.Alias(name=name, metric_version=metric_version, protected=protected, etag=etag)
        request = registry.SetAliasRequest(
            alias=message,
            allow_protected=allow_protected,
            must_be_new=must_be_new,
            request_id=new_request_id(),  # a repeated call must not undo what somebody did in between
        )
        return await self._registry.unary(f"{_SERVICE}/SetAlias", request, pb.Alias)

    async def get(self, name: str) -> pb.Alias:
        request = registry.GetAliasRequest(name=shorthand.alias(name))
        return await self._registry.unary(f"{_SERVICE}/GetAlias", request, pb.Alias)

    async def list(self, metric: str) -> AsyncIterator[pb.Alias]:
        """Yield the aliases of a metric, ordered by name."""
        request = registry.ListAliasesRequest(parent=shorthand.metric(metric))
        response = registry.ListAliasesResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListAliases", request, response):
            for alias in page.aliases:
                yield alias

    async def delete(self, name: str, *, allow_protected: bool = False) -> None:
        """Delete an alias. The version it points at stays.

        Raises:
            AliasProtectedError: it is protected, and `allow_protected` is not set.
        """
        request = registry.DeleteAliasRequest(name=shorthand.alias(name), allow_protected=allow_protected)
        await self._registry.unary(
            f"{_SERVICE}/DeleteAlias", request, empty_pb2.Empty, repeated_is=NotFoundError
        )

    async def history(self, name: str) -> AsyncIterator[pb.AliasEvent]:
        """Yield where an alias has pointed, newest first."""
        request = registry.ListAliasEventsRequest(parent=shorthand.alias(name))
        response = registry.ListAliasEventsResponse
        async for page in self._registry.pages(f"{_SERVICE}/ListAliasEvents", request, response):
            for event in page.alias_events:
                yield event

    async def _is_protected(self, name: str) -> bool:
        try:
            return (await self.get(name)).protected
        except NotFoundError:
            return False
