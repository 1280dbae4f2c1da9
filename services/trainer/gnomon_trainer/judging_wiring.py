"""Builds what asks providers, with the loop that does paid work, and what tells of all work."""

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnomon_outbound.client import OutboundClient
from gnomon_outbound.targets import AllowedHosts
from gnomon_outbound.vault import AesVault, MasterKeyError, master_key_of
from gnomon_rpc.settings import SettingError
from gnomon_rpc.telemetry import Telemetry
from gnomon_trainer.adapters.clocks import elapsed
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.drift_probe import ProcessDriftProbe
from gnomon_trainer.adapters.minhash import MinHashNeighbours
from gnomon_trainer.adapters.openai_chat import OpenAiChat
from gnomon_trainer.adapters.presence import PresenceFiles
from gnomon_trainer.adapters.registry import RegistryCatalog
from gnomon_trainer.adapters.row_files import RowFiles
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.adapters.sql_journal import SqlJournal
from gnomon_trainer.adapters.sql_paid_work import SqlPaidWorkStore
from gnomon_trainer.adapters.sql_providers import SqlProviderStore
from gnomon_trainer.domain.careful_chat import ChatLimits
from gnomon_trainer.domain.generation_use_cases import Generations
from gnomon_trainer.domain.generation_work import GenerationWorker
from gnomon_trainer.domain.judge_asking import PaidAsking
from gnomon_trainer.domain.judge_use_cases import Judges
from gnomon_trainer.domain.labelling_orders import LabellingPlans
from gnomon_trainer.domain.labelling_use_cases import Labellings
from gnomon_trainer.domain.labelling_work import LabellingWorker
from gnomon_trainer.domain.observed_chat import ObservedChat
from gnomon_trainer.domain.observing import Observer, Silent
from gnomon_trainer.domain.paid_work_loop import PaidWorker, PaidWorkLoop
from gnomon_trainer.domain.provider_gates import ProviderGates
from gnomon_trainer.domain.provider_use_cases import Providers
from gnomon_trainer.domain.providers import key_unreadable
from gnomon_trainer.domain.tracing import Tracing, Untraced
from gnomon_trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from gnomon_rpc.telemetry_spans import Spans


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom the trainer tells of its work; nobody, if it is not asked to."""

    observer: Observer
    tracing: Tracing


def observer_of(telemetry: Telemetry) -> Observer:
    """Return what tells of work by numbers; nobody is told where none are asked for."""
    if telemetry.registry is None:
        return Silent()
    from gnomon_trainer.adapters.prometheus import PrometheusObserver

    return PrometheusObserver(telemetry.registry)


def tracing_by(spans: "Spans | None") -> Tracing:
    """Return what tells of work by spans; nobody is told where there are none."""
    if spans is None:
        return Untraced()
    from gnomon_trainer.adapters.tracing import OpenTelemetryTracing

    return OpenTelemetryTracing(spans.tracer)


@dataclass(frozen=True, slots=True)
class Judging:
    """All that asks providers."""

    outbound: OutboundClient
    providers: Providers
    judges: Judges
    labellings: Labellings
    generations: Generations
    presence: PresenceFiles
    loop: PaidWorkLoop


def judging(
    settings: TrainerSettings,
    database: Database,
    *,
    datasets: SqlDatasetStore,
    rows: RowFiles,
    catalog: RegistryCatalog,
    heavy: asyncio.Semaphore,
    telling: Telling,
) -> Judging:
    """Build it. All calls to one provider share a gate; every kind of paid work shares one loop."""
    outbound = OutboundClient(_allowed_hosts(settings))
    providers, gates = _providers(settings, database, outbound, telling), _gates(settings, telling)
    store, presence = SqlPaidWorkStore(database), PresenceFiles(settings.data_dir / "trainers")
    asking = PaidAsking(providers, providers.chat, gates, SqlJournal(database), random.uniform)
    labeller = LabellingWorker(
        store=store,
        datasets=datasets,
        rows=rows,
        asking=asking,
        clock=time.time,
        stopwatch=time.monotonic,
        deadline_s=settings.judge_timeout_s,
        heavy=heavy,
    )
    labellings = Labellings(
        store=store,
        plans=LabellingPlans(datasets, rows, catalog, providers, heavy),
        rows=rows,
        clock=time.time,
        random_bytes=secrets.token_bytes,
        heavy=heavy,
        tracing=telling.tracing,
    )
    generations, generating = _generations(
        settings,
        store,
        asking,
        datasets=datasets,
        rows=rows,
        catalog=catalog,
        heavy=heavy,
        tracing=telling.tracing,
    )
    return Judging(
        outbound=outbound,
        providers=providers,
        judges=_judges(settings, providers, catalog, gates),
        labellings=labellings,
        generations=generations,
        presence=presence,
        loop=_loop(settings, store, presence, [labeller, generating], telling),
    )


def _generations(
    settings: TrainerSettings,
    store: SqlPaidWorkStore,
    asking: PaidAsking,
    *,
    datasets: SqlDatasetStore,
    rows: RowFiles,
    catalog: RegistryCatalog,
    heavy: asyncio.Semaphore,
    tracing: Tracing,
) -> tuple[Generations, GenerationWorker]:
    """Build what users can do with generations, and what does them."""
    worker = GenerationWorker(
        store=store,
        asking=asking,
        datasets=datasets,
        rows=rows,
        neighbours=MinHashNeighbours(),
        probe=ProcessDriftProbe(settings.model_dir),
        clock=time.time,
        deadline_s=settings.judge_timeout_s,
        heavy=heavy,
    )
    generations = Generations(
        store=store,
        datasets=datasets,
        rows=rows,
        catalog=catalog,
        providers=asking.providers,
        clock=time.time,
        random_bytes=secrets.token_bytes,
        heavy=heavy,
        tracing=tracing,
    )
    return generations, worker


def _loop(
    settings: TrainerSettings,
    store: SqlPaidWorkStore,
    presence: PresenceFiles,
    workers: Sequence[PaidWorker],
    telling: Telling,
) -> PaidWorkLoop:
    return PaidWorkLoop(
        store=store,
        workers=workers,
        presence=presence,
        clock=time.time,
        elapsed=elapsed,
        lease_s=settings.lease_s,
        tracing=telling.tracing,
        observer=telling.observer,
    )


def _providers(
    settings: TrainerSettings, database: Database, outbound: OutboundClient, telling: Telling
) -> Providers:
    chat = OpenAiChat(outbound)
    return Providers(
        store=SqlProviderStore(database),
        vault=AesVault(_master_key(settings), service="trainer", unreadable=key_unreadable),
        chat=ObservedChat(chat, telling.observer, telling.tracing, time.perf_counter),
        check_url=chat.check_url,
        clock=time.time,
        stopwatch=time.perf_counter,
        new_etag=lambda: secrets.token_hex(8),
    )


def _gates(settings: TrainerSettings, telling: Telling) -> ProviderGates:
    limits = ChatLimits(settings.judge_concurrency, settings.judge_requests_per_minute)
    return ProviderGates(limits, time.monotonic, asyncio.sleep, telling.observer.waited)


def _judges(
    settings: TrainerSettings, providers: Providers, catalog: RegistryCatalog, gates: ProviderGates
) -> Judges:
    return Judges(
        providers=providers,
        catalog=catalog,
        chat=providers.chat,
        gates=gates,
        deadline_s=settings.judge_timeout_s,
        draw=random.uniform,
        random_bytes=secrets.token_bytes,
    )


def _master_key(settings: TrainerSettings) -> bytes | None:
    text = settings.master_key.get_secret_value() if settings.master_key else ""
    try:
        return master_key_of(text, settings.master_key_file, "GNOMON_TRAINER_MASTER_KEY")
    except MasterKeyError as error:
        raise SettingError(str(error)) from error


def _allowed_hosts(settings: TrainerSettings) -> AllowedHosts:
    try:
        return AllowedHosts.parse(settings.allowed_hosts)
    except ValueError as error:
        raise SettingError(f"GNOMON_TRAINER_ALLOWED_HOSTS: {error}.") from error
