"""All RPCs of the registry in one servicer."""

import asyncio
from collections.abc import Callable

from gnomon.v1 import registry_service_pb2_grpc
from gnomon_registry.api.aliases import AliasRpcs
from gnomon_registry.api.blobs import BlobRpcs
from gnomon_registry.api.metrics import MetricRpcs
from gnomon_registry.api.projects import ProjectRpcs
from gnomon_registry.api.versions import VersionRpcs
from gnomon_registry.api.watching import WatchRpcs
from gnomon_registry.api.webhooks import WebhookRpcs
from gnomon_registry.domain.aliases import Aliases
from gnomon_registry.domain.blobs import Blobs
from gnomon_registry.domain.metrics import Metrics
from gnomon_registry.domain.projects import Projects
from gnomon_registry.domain.stored import StoredBytes
from gnomon_registry.domain.versions import Versions
from gnomon_registry.domain.watching import Watching
from gnomon_registry.domain.webhook_use_cases import Webhooks

_CHECKS_AT_ONCE = 2


class RegistryServicer(
    ProjectRpcs,
    MetricRpcs,
    VersionRpcs,
    AliasRpcs,
    BlobRpcs,
    WatchRpcs,
    WebhookRpcs,
    registry_service_pb2_grpc.RegistryServiceServicer,
):
    """Implements `gnomon.v1.RegistryService`."""

    def __init__(
        self,
        *,
        projects: Projects,
        metrics: Metrics,
        versions: Versions,
        aliases: Aliases,
        blobs: Blobs,
        watching: Watching,
        stored: StoredBytes,
        webhooks: Webhooks,
        dispatch_now: Callable[[], None],
    ) -> None:
        self.projects = projects
        self.metrics = metrics
        self.versions = versions
        self.aliases = aliases
        self.blobs = blobs
        self.watching = watching
        self.stored = stored
        # Reading whole bundles takes minutes: short calls, keys and readiness need threads meanwhile.
        self.checks = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self.webhooks = webhooks
        self.dispatch_now = dispatch_now
