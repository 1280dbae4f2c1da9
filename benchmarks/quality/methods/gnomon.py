"""A run of the product, as a user has it: services, uploads, a run by a recipe, its predictions."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.quality import clocks
from benchmarks.quality.clocks import Seconds
from benchmarks.quality.task import Answer, Task

from gnomon import Client, local
from gnomon.v1 import resources_pb2 as pb
from gnomon_trainer.domain.choosing import facts_of
from gnomon_trainer.domain.training import MetricDefinition, Row

_METRIC, _PROJECT = "benchmark", "quality"
_QUICK = {"epochs": 1}
_Stage = pb.RunProgress.Stage


class StageClock:
    """When each stage of a run was first seen; how many training steps it took.

    `trainer`: the process that the run's worker is below.
    """

    def __init__(self, trainer: int) -> None:
        self.began: dict[int, Seconds] = {}
        self._trainer = trainer
        self.steps = 0

    def __call__(self, run: pb.Run, _: Sequence[pb.TrainingPoint]) -> None:
        if run.progress.stage not in self.began:
            self.began[run.progress.stage] = clocks.now_of(self._trainer)
        self.steps = max(self.steps, run.progress.step)

    def seconds_of(self, stage: int) -> Seconds:
        """Return what it took; the next that was seen ends it. 0 if it was too short to be seen."""
        start = self.began.get(stage)
        later = [one for one in self.began.values() if start and one.wall > start.wall]
        return min(later, key=lambda one: one.wall) - start if start and later else Seconds()


def answer(task: Task, recipe: str, **parameters: Any) -> Answer:
    """Train by a recipe, with `parameters` in the place of its own, and return what the test rows get."""
    services = local.deployment(task.work / "home")
    registry, trainer = services["registry"], services["trainer"]
    try:
        address = registry.start(120.0)
        trainer.environment = dict(trainer.environment) | {"GNOMON_TRAINER_REGISTRY_ADDRESS": address}
        with Client(registry=address, trainer=trainer.start(120.0)) as client:
            assert trainer.process is not None
            return _answer(task, recipe, parameters, client, StageClock(trainer.process.pid))
    finally:
        local.stop({"registry": registry, "trainer": trainer})


def taken(recipe: str, metric: MetricDefinition, rows: Sequence[Row]) -> str:
    """Return the recipe that a run is trained by: another one, if `recipe` is one that chooses."""
    from gnomon_trainer.adapters.recipe_files import RecipeFiles
    from gnomon_trainer.domain import recipes
    from gnomon_trainer.settings import TrainerSettings

    settings = TrainerSettings()
    files = RecipeFiles(settings.recipes_dir, settings.model_dir)
    asked = recipes.find(files, recipe)
    if asked.choice is None:
        return recipe
    return recipes.choose_recipe(asked.choice, facts_of(rows, metric, None), files)[0].recipe


def offers(recipe: str) -> bool:
    """Tell whether the product has a recipe."""
    from gnomon_trainer.adapters.recipe_files import RecipeFiles

    return any(one.recipe == recipe for one in RecipeFiles().all())


def _answer(task: Task, recipe: str, parameters: dict[str, Any], client: Client, clock: StageClock) -> Answer:
    _upload(task, client)
    asked: dict[str, Any] = parameters | {"seed": task.seed} | (_QUICK if task.quick else {})
    operation = client.runs.create(
        _PROJECT,
        metric=_METRIC,
        training_set="training",
        test_set="test",
        recipe=recipe,
        allow_small=True,
        **asked,
    )
    run = operation.result(on_progress=clock)
    before, tuned = clock.seconds_of(_Stage.PREPARING), clock.seconds_of(_Stage.FINE_TUNING)
    resolved = {parameter.key: parameter.value for parameter in run.resolved_parameters}
    rows = run.report.training_rows
    passes = clock.steps / math.ceil(rows / int(resolved["batch_size"]))
    notes = {
        "steps": clock.steps,
        "rows_learned_from": rows,
        "rows_held_out": run.report.validation_rows,
        "recipe": run.recipe,
        "parameters": resolved,
        "findings": sorted({finding.code for finding in run.findings}),
        "warnings": list(run.report.warnings),
    }
    stepped = rows * passes if tuned.wall else None
    return Answer(_probabilities(task, client, run), before + tuned, stepped, tuned, notes)


def _upload(task: Task, client: Client) -> None:
    public = task.public
    classes = [] if public.is_boolean else [{"label": label} for label in task.classes]
    client.metrics.create(
        _METRIC,
        output_type=public.output_type,
        input_shape=public.input_shape,
        step=public.step,
        classes=classes,
    )
    client.projects.create(_PROJECT)
    for name, records in (("training", task.division.training), ("test", task.division.test)):
        client.datasets.upload(name, _written(task.work / f"{name}.jsonl", records), metric=_METRIC)


def _written(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def _probabilities(task: Task, client: Client, run: pb.Run) -> Any:
    found = np.zeros((len(task.test), len(task.classes)))
    seen = 0
    for prediction in client.runs.predictions(run.name):
        index = prediction.row - 1
        if prediction.true_label != task.division.test[index]["label"]:
            raise ValueError(f"prediction of row {prediction.row} is of another row")
        for entry in prediction.score.classes:
            found[index, task.classes.index(entry.label)] = entry.probability
        seen += 1
    if seen != len(found):
        raise ValueError(f"{seen} predictions of {len(found)} rows")
    return found
