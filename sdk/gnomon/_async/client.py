"""The client of the three services."""

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from gnomon._async.aliases import AsyncAliases
from gnomon._async.audit import AsyncAudit
from gnomon._async.connection import AsyncConnection
from gnomon._async.datasets import AsyncDatasets
from gnomon._async.feedback import AsyncFeedback
from gnomon._async.generations import AsyncGenerations
from gnomon._async.judges import AsyncJudges
from gnomon._async.keys import AsyncKeys
from gnomon._async.labellings import AsyncLabellings
from gnomon._async.metrics import AsyncMetrics
from gnomon._async.projects import AsyncProjects
from gnomon._async.providers import AsyncProviders
from gnomon._async.recipes import AsyncRecipes
from gnomon._async.reviews import AsyncReviews
from gnomon._async.runs import AsyncRuns
from gnomon._async.scoring import AsyncScoring
from gnomon._async.versions import AsyncVersions
from gnomon._async.webhooks import AsyncWebhooks
from gnomon._requests import scorer_metadata
from gnomon._security import security_of
from gnomon.addresses import address_of
from gnomon.v1 import registry_service_pb2 as registry_pb


class AsyncClient(AsyncScoring):
    """Speaks with a registry, a trainer and a scorer.

    Addresses are `host:port`, or `ipv4:A:port,B:port` for several that share
    the calls; one that is not given is taken from
    `GNOMON_REGISTRY_ADDRESS`, `GNOMON_TRAINER_ADDRESS` or
    `GNOMON_SCORER_ADDRESS`, else from a running `gnomon up`, else it is the
    default of that service. A connection is made by the first call that needs it.

    A call that meets a service which is away or overloaded is made again until
    it succeeds or `timeout_s` is over: a restart is seen as a delay. Transfers
    of files get a second more a MiB. All errors of the services are classes of
    `gnomon.errors`.

    `caller` names the application: a scorer that has more to do than it can
    shares itself evenly between callers.

    `api_key`, or `api_key_file` that holds it, is shown to services that want
    one; `project` says which project calls are for. TLS is spoken with addresses
    that begin with `https://`; with those that say neither that nor `http://`
    if `tls`, `ca_file` (else the system's authorities count) or a certificate of
    the client's own is given. What is not given is taken from the environment:
    `GNOMON_API_KEY`, `GNOMON_API_KEY_FILE`, `GNOMON_PROJECT`, `GNOMON_TLS`,
    `GNOMON_CA_FILE`, `GNOMON_CERTIFICATE_FILE`, `GNOMON_CERTIFICATE_KEY_FILE`;
    "" is none, whatever they say.
    A key does not go to other machines over plain text unless `plain_text_key`
    (`GNOMON_PLAIN_TEXT_KEY`) says so.

    `evaluation_events` says whether the scorer tells OpenTelemetry of each score, as
    an event `gen_ai.evaluation.result`; None leaves that to its settings.

    A client of coroutines belongs to one event loop; the other may be shared by
    threads. Close it when it is no longer needed.

    Raises:
        ApiKeyMalformedError, ApiKeyNeedsTlsError, InvalidRequestError: what is
            given makes no sense, or a file of it cannot be read.
    """

    def __init__(
        self,
        *,
        registry: str | None = None,
        trainer: str | None = None,
        scorer: str | None = None,
        timeout_s: float = 30.0,
        caller: str | None = None,
        api_key: str | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        project: str | None = None,
        tls: bool | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        certificate_file: str | os.PathLike[str] | None = None,
        certificate_key_file: str | os.PathLike[str] | None = None,
        plain_text_key: bool | None = None,
        evaluation_events: bool | None = None,
    ) -> None:
        security = security_of(
            api_key=api_key,
            api_key_file=api_key_file,
            project=project,
            tls=tls,
            ca_file=ca_file,
            certificate_file=certificate_file,
            certificate_key_file=certificate_key_file,
            plain_text_key=plain_text_key,
        )
        metadata = scorer_metadata(caller, evaluation_events)
        self._registry = AsyncConnection(
            "registry", address_of("registry", registry), timeout_s, security=security
        )
        self._trainer = AsyncConnection(
            "trainer", address_of("trainer", trainer), timeout_s, security=security
        )
        self._scorer = AsyncConnection("scorer", address_of("scorer", scorer), timeout_s, metadata, security)
        self.keys = AsyncKeys(self._registry, self._trainer)
        self.projects = AsyncProjects(self._registry)
        self.metrics = AsyncMetrics(self._registry)
        self.versions = AsyncVersions(self._registry)
        self.aliases = AsyncAliases(self._registry)
        self.webhooks = AsyncWebhooks(self._registry)
        self.datasets = AsyncDatasets(self._trainer)
        self.providers = AsyncProviders(self._trainer)
        self.judges = AsyncJudges(self._trainer)
        self.generations = AsyncGenerations(self._trainer)
        self.labellings = AsyncLabellings(self._trainer)
        self.recipes = AsyncRecipes(self._trainer)
        self.reviews = AsyncReviews(self._trainer)
        self.runs = AsyncRuns(self._trainer)
        self.audit = AsyncAudit({"registry": self._registry, "trainer": self._trainer})
        self.feedback = AsyncFeedback(self, self._trainer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all calls and connections. Closing twice is no error."""
        for connection in (self._registry, self._trainer, self._scorer):
            await connection.close()

    async def watch_catalog(self) -> AsyncGenerator[registry_pb.WatchCatalogResponse, None]:
        """Follow the catalog: what is there now, `SNAPSHOT_COMPLETE`, then every change.

        Ends with an error when the registry goes away; a new call starts with
        a new snapshot, from which the caller can tell what it missed.
        """
        events = self._registry.stream(
            "gnomon.v1.RegistryService/WatchCatalog",
            registry_pb.WatchCatalogRequest(),
            registry_pb.WatchCatalogResponse,
        )
        async with aclosing(events):
            async for event in events:
                yield event
