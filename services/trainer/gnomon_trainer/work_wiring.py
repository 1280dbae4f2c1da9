"""Builds what trains: the processes of workers, and what such a process runs."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gnomon_rpc.registry_keys import registry_options
from gnomon_trainer.adapters.clocks import elapsed
from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.registry import RegistryRegistrar
from gnomon_trainer.adapters.row_files import RowFiles
from gnomon_trainer.adapters.sql_runs import SqlRunStore
from gnomon_trainer.adapters.trackers import TrackerProblemError, asked_for, trackers
from gnomon_trainer.adapters.work_folders import LocalWorkFolders
from gnomon_trainer.adapters.worker_processes import WorkerProcesses
from gnomon_trainer.domain.observing import Observer
from gnomon_trainer.domain.tracking import OpenTracker, TrackedTrainer
from gnomon_trainer.domain.training import Trainer
from gnomon_trainer.domain.work import Work
from gnomon_trainer.judging_wiring import tracing_by
from gnomon_trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from gnomon_rpc.telemetry_spans import Spans

_REGISTER_TIMEOUT_S = 30.0


def build_work(
    settings: TrainerSettings,
    worker: str,
    trainer: Callable[[], Trainer],
    stop: threading.Event,
    spans: "Spans | None" = None,
) -> Work:
    """Build what a worker process runs."""
    database = database_of(settings)
    database.prepare(migrate=settings.migrate_on_start)
    return Work(
        worker=worker,
        runs=SqlRunStore(database),
        rows=rows_of(settings),
        folders=LocalWorkFolders(settings.data_dir / "runs"),
        registrar=RegistryRegistrar(registry_options(settings), _REGISTER_TIMEOUT_S),
        trainer=_tracked(settings, trainer),
        clock=time.time,
        elapsed=elapsed,
        lease_s=settings.lease_s,
        stop=stop,
        tracing=tracing_by(spans),
    )


def workers_of(
    settings: TrainerSettings, command: Sequence[str], runs: SqlRunStore, observer: Observer
) -> WorkerProcesses:
    async def on_death(worker: str, stopped: bool) -> None:
        observer.worker_ended(stopped)
        freed = await asyncio.to_thread(runs.free_leases if stopped else runs.expire_leases, worker)
        observer.lease_expired("runs", 0 if stopped else freed)

    return WorkerProcesses(
        command,
        environment_of(settings),
        count=settings.workers,
        on_death=on_death,
        grace_s=settings.grace_s,
    )


def environment_of(settings: TrainerSettings) -> dict[str, str]:
    """Return the whole environment of a worker: the same settings, wherever the trainer had them from."""
    prefix = str(settings.model_config["env_prefix"])
    # Workers call no provider: they do without the master key. Names of settings are read in any case.
    withheld = {f"{prefix}{name}" for name in ("MASTER_KEY", "MASTER_KEY_FILE")}
    inherited = {name: value for name, value in os.environ.items() if name.upper() not in withheld}
    shared = settings.model_dump(
        mode="json",
        exclude={
            *("listen", "address_file", "parent_pid", "workers", "metrics_listen"),
            *("master_key", "master_key_file", "allowed_hosts"),
            *("registry_api_key", "tls_certificate_file", "tls_key_file", "tls_client_ca_file"),
        },
        exclude_none=True,
    )
    variables = {f"{prefix}{name.upper()}": str(value) for name, value in shared.items()}
    if settings.registry_api_key is not None:  # a worker registers what it trained; a dump would show stars
        variables[f"{prefix}REGISTRY_API_KEY"] = settings.registry_api_key.get_secret_value()
    return inherited | variables | {f"{prefix}PARENT_PID": str(os.getpid())}


def _tracked(settings: TrainerSettings, trainer: Callable[[], Trainer]) -> Callable[[], Trainer]:
    wanted = trackers_of(settings)
    return (lambda: TrackedTrainer(trainer(), wanted)) if wanted else trainer


def trackers_of(settings: TrainerSettings) -> dict[str, OpenTracker]:
    try:
        return trackers(asked_for(settings.trackers), settings.data_dir / "trackers")
    except TrackerProblemError as error:
        raise SystemExit(f"gnomon trainer: GNOMON_TRAINER_TRACKERS: {error}.") from error


def database_of(settings: TrainerSettings) -> Database:
    return Database(settings.database_url, password_file=settings.database_password_file)


def rows_of(settings: TrainerSettings) -> RowFiles:
    return RowFiles(settings.data_dir / "datasets", settings.data_dir / "tmp")
