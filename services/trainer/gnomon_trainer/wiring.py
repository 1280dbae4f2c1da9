"""Builds the trainer: with `work_wiring` and `judging_wiring`, the only file that knows concrete classes."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from google.longrunning import operations_pb2_grpc

from gnomon.errors import GnomonError
from gnomon.v1 import trainer_service_pb2_grpc
from gnomon_outbound.client import OutboundClient
from gnomon_rpc import audit_service, usage_service
from gnomon_rpc.audit_writer import AuditWriter
from gnomon_rpc.readiness import Readiness
from gnomon_rpc.registry_keys import RegistryKeys, registry_keys, registry_options
from gnomon_rpc.server import Server, Service
from gnomon_rpc.telemetry import Telemetry
from gnomon_storage.audit_log import SqlAuditLog
from gnomon_trainer.adapters import incoming
from gnomon_trainer.adapters.clocks import elapsed
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.heavy_work import HeavyWork
from gnomon_trainer.adapters.incoming import IncomingFile
from gnomon_trainer.adapters.label_probe import ProcessProbe
from gnomon_trainer.adapters.minhash import MinHashNeighbours
from gnomon_trainer.adapters.predictions import PredictionFiles
from gnomon_trainer.adapters.presence import PresenceFiles
from gnomon_trainer.adapters.reading import ReadLimits
from gnomon_trainer.adapters.recipe_files import RecipeFileError, RecipeFiles
from gnomon_trainer.adapters.registry import RegistryCatalog
from gnomon_trainer.adapters.row_files import RowFiles
from gnomon_trainer.adapters.sql_datasets import SqlDatasetStore
from gnomon_trainer.adapters.sql_feedback import SqlFeedbackStore
from gnomon_trainer.adapters.sql_paid_work import SqlPaidWorkStore
from gnomon_trainer.adapters.sql_reviews import SqlReviewStore
from gnomon_trainer.adapters.sql_runs import SqlRunStore
from gnomon_trainer.adapters.token_readers import BaseModelTokenizers
from gnomon_trainer.adapters.usage import SqlUsage
from gnomon_trainer.adapters.worker_processes import WorkerProcesses
from gnomon_trainer.api import operations, servicer
from gnomon_trainer.domain.check_use_cases import Checks
from gnomon_trainer.domain.dataset_use_cases import Datasets
from gnomon_trainer.domain.feedback_use_cases import FeedbackCases
from gnomon_trainer.domain.generation_use_cases import StoredOrigins
from gnomon_trainer.domain.leases import LeaseWatch
from gnomon_trainer.domain.observing import Observer
from gnomon_trainer.domain.paid_training_sets import PaidTrainingSets
from gnomon_trainer.domain.paid_work import WorkKind
from gnomon_trainer.domain.paid_work_loop import PaidWorkLoop
from gnomon_trainer.domain.review_use_cases import Reviews
from gnomon_trainer.domain.run_planning import RunPlanner
from gnomon_trainer.domain.run_use_cases import Runs
from gnomon_trainer.domain.uploads import Limits
from gnomon_trainer.domain.waiting_runs import WaitingRuns
from gnomon_trainer.judging_wiring import Judging, Telling, judging, observer_of, tracing_by
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.work_wiring import database_of, rows_of, trackers_of, workers_of

log = structlog.get_logger(__name__)

_WORKER = (sys.executable, "-m", "gnomon_trainer.worker")
_UPLOAD_S = 3600.0  # an upload that has not been written to for as long is over
_HEAVY_AT_ONCE = 2
_RECORDINGS_AT_ONCE = 2

REGISTRY_HEALTH = "registry"
"""The health of the way to the registry, by which a probe tells it from the trainer's own."""


@dataclass(slots=True)
class TrainerApp:
    """The service, with its workers."""

    server: Server
    database: Database
    audit_database: Database
    datasets: SqlDatasetStore
    runs: SqlRunStore
    rows: RowFiles
    catalog: RegistryCatalog
    outbound: OutboundClient
    workers: WorkerProcesses
    presence: PresenceFiles
    paid_work: PaidWorkLoop
    waiting_runs: WaitingRuns
    settings: TrainerSettings
    keys: RegistryKeys | None = None
    _settling: asyncio.Task[None] | None = field(default=None)
    _readiness: list[Readiness] = field(default_factory=list)

    async def start(self) -> None:
        await asyncio.to_thread(self._prepare)
        await self.server.start()
        self.workers.start()
        self.paid_work.start()
        self.waiting_runs.start()
        self._settling = asyncio.create_task(self._settle())
        self._readiness = self._looked_after()
        for readiness in self._readiness:
            readiness.start()

    def _looked_after(self) -> list[Readiness]:
        """Its job needs its database and folder; without the registry it trains on, so that is told apart."""
        own = {
            "database": lambda: asyncio.to_thread(self.database.check),
            "data_dir": lambda: asyncio.to_thread(self.rows.check),
        }
        every_s = self.settings.health_every_s
        return [
            Readiness(own, lambda ready: self.server.set_ready(servicer.FULL_NAME, ready), every_s),
            Readiness(
                {REGISTRY_HEALTH: self.catalog.check},
                lambda ready: self.server.set_health(REGISTRY_HEALTH, ready),
                every_s,
                patience_s=2 * self.settings.registry_timeout_s,
            ),
        ]

    def _prepare(self) -> None:
        self.database.prepare(migrate=self.settings.migrate_on_start)
        abandoned = time.time() - _UPLOAD_S
        incoming.sweep(self.settings.data_dir / "tmp", abandoned)
        self.rows.sweep(self.datasets.digests(), abandoned)

    async def stop(self) -> None:
        await asyncio.gather(*(readiness.stop() for readiness in self._readiness))
        if self._settling is not None:
            self._settling.cancel()
        await asyncio.gather(
            self.server.stop(), self.workers.stop(), self.paid_work.stop(), self.waiting_runs.stop()
        )
        await asyncio.gather(self.catalog.close(), self.outbound.close())
        if self.keys is not None:
            await self.keys.close()
        self.presence.leave()
        self.audit_database.close()
        self.database.close()

    async def _settle(self) -> None:
        """Expire leases of silent workers, and end the runs that such a worker was to cancel."""
        watch = LeaseWatch(self.runs, self.settings.lease_s, elapsed)
        while True:
            await asyncio.sleep(watch.interval_s)
            try:
                await asyncio.to_thread(watch.look)
                await asyncio.to_thread(self.runs.settle_cancelled, time.time())
            except GnomonError as error:  # such as a busy database
                log.warning("leases are not looked at", reason=error.reason)
            except Exception:  # whatever it is, the next look may meet it no more
                log.exception("leases are not looked at")


def build(settings: TrainerSettings, worker_command: Sequence[str] = _WORKER) -> TrainerApp:
    """Build the service. `worker_command` starts a worker; it is given `--id`."""
    trackers_of(settings)  # refused here rather than by every worker
    telemetry = Telemetry("trainer", settings)
    telling = Telling(observer_of(telemetry), tracing_by(telemetry.spans))
    database = database_of(settings)
    datasets, runs, rows = SqlDatasetStore(database), SqlRunStore(database), rows_of(settings)
    paid_work = SqlPaidWorkStore(database)
    catalog = RegistryCatalog(registry_options(settings), settings.registry_timeout_s)
    heavy = HeavyWork(_HEAVY_AT_ONCE)
    checks, reviews = _of_labels(
        settings, SqlReviewStore(database), datasets=datasets, rows=rows, catalog=catalog, heavy=heavy
    )
    planner = RunPlanner(
        datasets=datasets,
        rows=rows,
        recipes=_recipes(settings),
        neighbours=MinHashNeighbours(),
        readers=BaseModelTokenizers(settings.model_dir),
        origins=StoredOrigins(paid_work),
    )
    training_sets = PaidTrainingSets(paid_work, time.time)
    run_use_cases = Runs(
        store=runs,
        catalog=catalog,
        planner=planner,
        work=training_sets,
        predictions=PredictionFiles(settings.data_dir / "runs", rows),
        clock=time.time,
        random_bytes=secrets.token_bytes,
        heavy=heavy,
        tracing=telling.tracing,
    )
    dataset_use_cases = _dataset_use_cases(
        settings, datasets, rows, catalog, heavy, received=telling.observer.received
    )
    feedback = _feedback(
        settings, database, datasets=datasets, rows=rows, catalog=catalog, runs=run_use_cases, heavy=heavy
    )
    keys = registry_keys(settings)
    asking = judging(
        settings, database, datasets=datasets, rows=rows, catalog=catalog, heavy=heavy, telling=telling
    )
    trainer = servicer.TrainerServicer(
        datasets=dataset_use_cases,
        checks=checks,
        reviews=reviews,
        runs=run_use_cases,
        providers=asking.providers,
        judges=asking.judges,
        labellings=asking.labellings,
        generations=asking.generations,
        feedback=feedback,
    )
    audit_database, audit_log = _audit_log(settings)
    audit = AuditWriter(audit_log)
    workers = workers_of(settings, worker_command, runs, telling.observer)
    _refresh(telemetry, telling.observer, settings, database=database, workers=workers, heavy=heavy)
    return TrainerApp(
        server=Server(
            settings,
            [
                *_services(trainer, run_use_cases, asking),
                audit_service.service(audit_log, audit),
                usage_service.service(SqlUsage(database, time.time)),
            ],
            servicer.PER_ITEM,
            telemetry,
            keys=keys,
            audit=audit,
        ),
        audit_database=audit_database,
        keys=keys,
        database=database,
        datasets=datasets,
        runs=runs,
        rows=rows,
        catalog=catalog,
        outbound=asking.outbound,
        workers=workers,
        presence=asking.presence,
        paid_work=asking.loop,
        waiting_runs=WaitingRuns(runs, training_sets, planner, clock=time.time, heavy=heavy),
        settings=settings,
    )


def _audit_log(settings: TrainerSettings) -> tuple[Database, SqlAuditLog]:
    """Return the audit log, on connections of its own: an entry survives a power cut, rows need not."""
    database = Database(
        settings.database_url, password_file=settings.database_password_file, synchronous="FULL"
    )
    return database, SqlAuditLog(database.write, database.read)


def _refresh(
    telemetry: Telemetry,
    observer: Observer,
    settings: TrainerSettings,
    *,
    database: Database,
    workers: WorkerProcesses,
    heavy: HeavyWork,
) -> None:
    """Have what is measured on demand read when somebody looks at the page."""
    if telemetry.registry is None or telemetry.page is None:
        return
    from gnomon_trainer.adapters.prometheus import PrometheusObserver
    from gnomon_trainer.adapters.work_numbers import WorkNumbers

    assert isinstance(observer, PrometheusObserver)
    telemetry.registry.register(WorkNumbers(database))
    telemetry.page.refresh = lambda: observer.refresh(len(workers.pids), heavy, settings.data_dir)


def _feedback(
    settings: TrainerSettings,
    database: Database,
    *,
    datasets: SqlDatasetStore,
    rows: RowFiles,
    catalog: RegistryCatalog,
    runs: Runs,
    heavy: HeavyWork,
) -> FeedbackCases:
    return FeedbackCases(
        store=SqlFeedbackStore(database, secrets.token_bytes),
        datasets=datasets,
        rows=rows,
        catalog=catalog,
        runs=runs,
        neighbours=MinHashNeighbours(),
        clock=time.time,
        heavy=heavy,
        recording=asyncio.Semaphore(_RECORDINGS_AT_ONCE),
        held_out_share=settings.feedback_held_out_share,
        max_cell_characters=settings.max_cell_characters,
    )


def _of_labels(
    settings: TrainerSettings,
    store: SqlReviewStore,
    *,
    datasets: SqlDatasetStore,
    rows: RowFiles,
    catalog: RegistryCatalog,
    heavy: asyncio.Semaphore,
) -> tuple[Checks, Reviews]:
    """Build what looks at labels: one probe serves both, so that one runs at a time."""
    probe = ProcessProbe(settings.model_dir)
    checks = Checks(
        store=datasets,
        rows=rows,
        catalog=catalog,
        neighbours=MinHashNeighbours(),
        probe=probe,
        heavy=heavy,
    )
    reviews = Reviews(
        store=store,
        datasets=datasets,
        rows=rows,
        catalog=catalog,
        probe=probe,
        clock=time.time,
        random_bytes=secrets.token_bytes,
        heavy=heavy,
    )
    return checks, reviews


def _dataset_use_cases(
    settings: TrainerSettings,
    store: SqlDatasetStore,
    rows: RowFiles,
    catalog: RegistryCatalog,
    heavy: asyncio.Semaphore,
    *,
    received: Callable[[int], None],
) -> Datasets:
    read_limits = ReadLimits(settings.max_unpacked_bytes, settings.max_cell_characters)
    folder = settings.data_dir / "tmp"
    return Datasets(
        store=store,
        rows=rows,
        catalog=catalog,
        receive=lambda: IncomingFile(folder, settings.max_upload_bytes, read_limits, received),
        clock=time.time,
        limits=Limits(settings.max_rows, settings.max_cell_characters),
        heavy=heavy,
    )


def _services(trainer: servicer.TrainerServicer, runs: Runs, asking: Judging) -> list[Service]:
    operated: dict[str, operations.Operated] = {
        "r": operations.RunOperations(runs),
        WorkKind.LABELLING.letter: operations.LabellingOperations(asking.labellings),
        WorkKind.GENERATION.letter: operations.GenerationOperations(asking.generations),
    }
    return [
        Service(
            servicer.FULL_NAME,
            trainer_service_pb2_grpc.add_TrainerServiceServicer_to_server,
            trainer,
        ),
        Service(
            operations.FULL_NAME,
            operations_pb2_grpc.add_OperationsServicer_to_server,
            operations.OperationsServicer(operated),
        ),
    ]


def _recipes(settings: TrainerSettings) -> RecipeFiles:
    try:
        return RecipeFiles(settings.recipes_dir, settings.model_dir)
    except RecipeFileError as error:
        raise SystemExit(f"gnomon trainer: {error}") from error
