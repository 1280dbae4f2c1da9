"""MLflow: an SQLite store in the folder, or what `MLFLOW_TRACKING_URI` names."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from gnomon_trainer.domain.tracking import TrackedRun

_TAG = "gnomon.run"


class MLflow:
    """A `Tracker`: one run of the experiment `gnomon-{project}`; a resumed run goes on in it."""

    def __init__(self, folder: Path, run: TrackedRun) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        own = f"sqlite:///{folder / 'mlflow.db'}"  # MLflow no longer writes its file store unless forced to
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
        number = self._experiment(f"gnomon-{run.project}")
        before = self._client.search_runs([number], f"tags.`{_TAG}` = '{run.name}'", max_results=1)
        if before:
            self._run_id = before[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
        else:
            tags = {_TAG: run.name}
            self._run_id = self._client.create_run(number, run_name=run.run, tags=tags).info.run_id
            parameters = [Param(key, str(value)) for key, value in run.parameters.items()]
            self._client.log_batch(self._run_id, params=parameters)

    def _experiment(self, name: str) -> str:
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # it exists, or another worker was faster
            return str(self._client.get_experiment_by_name(name).experiment_id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self._run_id, status="FINISHED" if finished else "KILLED")
