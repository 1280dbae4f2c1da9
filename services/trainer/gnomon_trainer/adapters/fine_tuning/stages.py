"""A training, top to bottom: prepare → baseline → (search) → fine-tune → export → evaluate → bundle.

Every stage can be repeated after a crash and gives the same again; what takes
long, the fine-tuning, goes on from its last checkpoint. The export comes
before the evaluation because the report is of the exported file: the test
rows are scored with it one by one, as the scorer does.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.bundle import Evaluator, Format
from gnomon.rendering import template_for
from gnomon.tokens import Reading
from gnomon.windows import reduce
from gnomon_trainer.adapters import base_models
from gnomon_trainer.adapters.fine_tuning import deciding, files, further, gate, probe, publishing, reading
from gnomon_trainer.adapters.fine_tuning.compute import Compute, choose, reproducible
from gnomon_trainer.adapters.fine_tuning.exporting import Exporter, OnnxExporter
from gnomon_trainer.adapters.fine_tuning.further import Material
from gnomon_trainer.adapters.fine_tuning.judging import Reduce
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, base_model_digest, load_network
from gnomon_trainer.adapters.fine_tuning.onnx_formats import further_formats
from gnomon_trainer.adapters.fine_tuning.openvino_formats import FurtherFormat
from gnomon_trainer.adapters.fine_tuning.passes import FineTuned, Passes
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared, prepare
from gnomon_trainer.adapters.fine_tuning.profiling import LENGTHS, LatencyProfiler, Profiler
from gnomon_trainer.adapters.fine_tuning.scoring import (
    Alone,
    OnnxEvaluator,
    WindowLogits,
    logits_of_readings,
)
from gnomon_trainer.adapters.fine_tuning.searching import Judged, Search
from gnomon_trainer.domain import evaluation, parameter_search, rule_report, settled_parameters
from gnomon_trainer.domain.decision_rules import DecisionRule
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.parameter_search import Trial
from gnomon_trainer.domain.training import Parameters, Reporter, Stage, Trained, TrainingPlan

_HEAD_ALONE = "a linear head over the frozen base model"
_EXPORT, _BASELINES, _SEARCH = "export", "baselines.json", "search"


@dataclass(frozen=True, slots=True)
class SetUp:
    """How to train, as far as the plan does not say it."""

    base_model: Path
    threads: int | None
    checkpoint_interval_s: float
    exporter: Exporter = field(default_factory=OnnxExporter)
    further: Sequence[FurtherFormat] = field(default_factory=lambda: further_formats(OnnxExporter.path))
    profiler: Profiler = field(default_factory=LatencyProfiler)
    clock: Callable[[], float] = time.monotonic  # for what is limited in time


@dataclass(frozen=True, slots=True)
class Training:
    """One call of `train`: what every stage needs to know."""

    plan: TrainingPlan
    work: Path
    reporter: Reporter
    set_up: SetUp
    model_digest: str
    digest: str  # of all that the evaluator depends on


def train(plan: TrainingPlan, work: Path, reporter: Reporter, set_up: SetUp) -> Trained:
    """Make an evaluator; see `gnomon_trainer.domain.training.Trainer.train`."""
    work.mkdir(parents=True, exist_ok=True)
    model_digest = base_model_digest(set_up.base_model)
    digest = publishing.digest_of(plan, model_digest)
    if done := publishing.finished(work, digest):
        return done
    training = Training(plan, work, reporter, set_up, model_digest, digest)

    reporter.stage(Stage.PREPARING)
    prepared = prepare(plan, _untrained(training), set_up.base_model, reporter.checkpoint_allowed)

    reporter.stage(Stage.BASELINE)
    baselines = _baselines(training, prepared)

    training, prepared = _reading(training, prepared)
    training, trials = _searched(training, prepared)
    plan = training.plan

    reporter.stage(Stage.FINE_TUNING)
    tuned = _passes(training, prepared).run(_untrained(training))
    network, compute = tuned.network, tuned.compute

    reporter.stage(Stage.EXPORTING)
    exported = _export(training, network.to("cpu"), prepared.encoder.max_tokens, compute)
    onnx = OnnxEvaluator(exported / set_up.exporter.path)
    measure = functools.partial(
        logits_of_readings,
        reduce=_reducer(training, prepared),
        threads=compute.threads,
        pause=reporter.checkpoint_allowed,
    )
    held_out = measure(onnx, prepared.held_out.readings)
    aside = measure(onnx, prepared.aside.readings).reduced if prepared.aside else None
    new = held_out.reduced  # logits of rows that are new to whoever gave them
    if tuned.unseen is not None:
        with reproducible(compute):
            new = measure(tuned.unseen, prepared.held_out.readings).reduced
    evaluator = _evaluator(training, prepared, deciding.rule(plan, prepared, new, [aside]))
    material = _material(
        training=training,
        prepared=prepared,
        compute=compute,
        network=network,
        evaluator=evaluator,
        held_out=held_out,
        measure=measure,
    )
    passed = gate.require(_checked(training, onnx, material))
    outcomes = [
        further.attempt(wanted, material, work / f"{_EXPORT}-{wanted.format}") for wanted in set_up.further
    ]
    every_aside = [aside, *(outcome.aside for outcome in outcomes)]  # a guarantee is one of every format
    rule = deciding.rule(plan, prepared, new, every_aside)
    evaluator = replace(
        evaluator,
        formats=(*evaluator.formats, *(outcome.format for outcome in outcomes if outcome.format)),
        threshold=rule.threshold,
        abstain_band=rule.abstain_band,
    )
    material = replace(material, evaluator=evaluator)

    reporter.stage(Stage.EVALUATING)
    logits = measure(onnx, prepared.test.readings)
    scores = evaluation.decisions(evaluator, logits.reduced)
    test = evaluation.TestSet(
        evaluator, prepared.test.labels, logits.reduced, baselines, plan.parameters.seed
    )
    own = further.complete_report(passed, onnx, logits.reduced[material.compared], "onnxruntime", material)
    formats = [own, *(further.retold(outcome, material) for outcome in outcomes)]
    details = evaluation.Details(plan.test_rows, plan.metric, plan.report_options)
    report = _report(prepared, tuned, formats, evaluation.evaluate(test, scores, details))
    positive = [row.label in plan.metric.flagged_classes for row in plan.test_rows]
    report = rule_report.with_rule(report, rule, scores, positive)
    report = parameter_search.with_search(report, trials, plan.parameters.search_minutes)
    report = settled_parameters.with_settled(report, plan)
    report = rule_report.with_service(report, plan.service_objective, evaluator, compute.threads)

    reporter.checkpoint_allowed()
    exported_files = [*exported.iterdir(), *(file for outcome in outcomes for file in outcome.files)]
    result = publishing.Result(
        evaluator, report, logits, scores, exported_files, base_models.licence(set_up.base_model)
    )
    return publishing.publish(work, plan, digest, prepared, result)


def _baselines(training: Training, prepared: Prepared) -> dict[str, Ints]:
    """Return what cheap methods, trained on the same rows, say of the test rows; kept for a resume."""
    path = training.work / _BASELINES
    kept = files.read_json(path)
    if not isinstance(kept, dict) or kept.get("plan") != training.digest:
        kept = {"plan": training.digest, "predicted": _predict_cheaply(training, prepared)}
        training.reporter.checkpoint_allowed()
        files.replace_file(path, files.to_json(kept))
    return {key: np.array(predicted, dtype=np.int64) for key, predicted in kept["predicted"].items()}


def _predict_cheaply(training: Training, prepared: Prepared) -> Mapping[str, list[int]]:
    classes, of_all = len(training.plan.metric.classes), training.plan.parameters.final_rows == "all"
    learned = prepared.training.joined(prepared.validation) if of_all else prepared.training
    frequent = int(np.bincount(learned.labels, minlength=classes).argmax())
    tfidf = probe.tfidf_predictions(
        training=prepared.training_texts,
        training_labels=prepared.training.labels,
        validation=prepared.validation_texts,
        validation_labels=prepared.validation.labels,
        test=prepared.test_texts,
        classes=classes,
        of_all=of_all,
        pause=training.reporter.checkpoint_allowed,
    )
    return {
        "majority_class": [frequent] * len(prepared.test.readings),
        "tfidf_logistic_regression": tfidf.tolist(),
    }


def _untrained(training: Training) -> EvaluatorNetwork:
    return _network(training, training.plan.parameters)


def _network(training: Training, parameters: Parameters) -> EvaluatorNetwork:
    return load_network(
        training.set_up.base_model,
        len(training.plan.metric.classes),
        parameters.adapter_rank,
        reading.MEAN if parameters.pooling == reading.AUTO else parameters.pooling,
        parameters.layers,
    )


def _reading(training: Training, prepared: Prepared) -> tuple[Training, Prepared]:
    """Settle what the head reads, where that is left to the data; why goes to the report's warnings."""
    plan, why = reading.settle(
        training.plan,
        work=training.work,
        digest=training.digest,
        examples=prepared.training,
        groups=prepared.groups,
        load=functools.partial(_network, training),
        compute=choose(training.set_up.threads),
        pause=training.reporter.checkpoint_allowed,
    )
    encoder = prepared.encoder.reducing(plan.parameters.window_reducer)
    warnings = (*prepared.warnings, *([why] if why else []))
    return replace(training, plan=plan), replace(prepared, encoder=encoder, warnings=warnings)


def _passes(training: Training, prepared: Prepared) -> Passes:
    return Passes(
        load=lambda: _untrained(training),
        prepared=prepared,
        reduce=_reducer(training, prepared),
        parameters=training.plan.parameters,
        work=training.work,
        plan_digest=training.digest,
        reporter=training.reporter,
        threads=training.set_up.threads,
        checkpoint_interval_s=training.set_up.checkpoint_interval_s,
    )


def _searched(training: Training, prepared: Prepared) -> tuple[Training, Sequence[Trial] | None]:
    """Try other parameters for as long as the plan says; return the training with the best ones."""
    plan, passes = training.plan, _passes(training, prepared)
    if not plan.parameters.search_minutes:
        return training, None
    training.reporter.stage(Stage.SEARCHING)

    def train(parameters: Parameters, folder: Path, reporter: Reporter) -> Judged:
        digest = publishing.digest_of(replace(plan, parameters=parameters), training.model_digest)
        trial = replace(passes, parameters=parameters, work=folder, plan_digest=digest, reporter=reporter)
        return trial.judged()

    search = Search(
        parameters=plan.parameters,
        searched=parameter_search.names(plan.origins),
        folder=training.work / _SEARCH,
        plan_digest=training.digest,
        train=train,
        reporter=training.reporter,
        after=2.0 if plan.parameters.final_rows == "all" else 1.0,
        clock=training.set_up.clock,
    )
    trials = search.run()
    found = parameter_search.settled(plan, trials)
    if found is plan:
        return training, trials
    digest = publishing.digest_of(found, training.model_digest)
    return replace(training, plan=found, digest=digest), trials


def _export(training: Training, network: EvaluatorNetwork, max_tokens: int, compute: Compute) -> Path:
    training.reporter.checkpoint_allowed()
    exported = training.work / _EXPORT
    with reproducible(compute), files.NewFolder(exported) as folder:
        training.set_up.exporter.export(network, max_tokens, folder)
    return exported


def _evaluator(training: Training, prepared: Prepared, rule: DecisionRule) -> Evaluator:
    plan, exporter = training.plan, training.set_up.exporter
    metric = plan.metric
    return Evaluator(
        metric=metric.name,
        output_type=metric.output_type,
        step=metric.step,
        input_shape=metric.input_shape,
        classes=metric.classes,
        flagged_classes=metric.flagged_classes,
        template=template_for(metric.input_shape),
        max_tokens=prepared.encoder.max_tokens,
        calibration=rule.calibration,
        threshold=rule.threshold,
        abstain_band=rule.abstain_band,
        formats=(Format(exporter.format, exporter.path),),
        windows=prepared.encoder.windows,
        lineage=replace(plan.lineage, base_model_digest=training.model_digest, code_version=_code_version()),
    )


def _reducer(training: Training, prepared: Prepared) -> Reduce:
    metric, windows = training.plan.metric, prepared.encoder.windows
    flagged = [metric.classes.index(label) for label in metric.flagged_classes]
    return functools.partial(reduce, reducer=windows.reducer if windows else "", flagged=flagged)


def _material(
    *,
    training: Training,
    prepared: Prepared,
    compute: Compute,
    network: EvaluatorNetwork,
    evaluator: Evaluator,
    held_out: WindowLogits,
    measure: Callable[[Alone, Sequence[Reading]], WindowLogits],
) -> Material:
    """Return what the formats are checked against and measured with."""
    set_up, pause = training.set_up, training.reporter.checkpoint_allowed
    objective = training.plan.service_objective
    return Material(
        onnx=training.work / _EXPORT / set_up.exporter.path,
        evaluator=evaluator,
        prepared=prepared,
        reference=held_out,
        trained=gate.reference_logits(network, prepared.validation.first_windows, pause),
        compared=further.compared(len(prepared.test.readings), training.plan.parameters.seed),
        seed=training.plan.parameters.seed,
        threads=compute.threads,
        measure=measure,
        profile=functools.partial(
            set_up.profiler.profile,
            like=prepared.validation.first_windows[0],
            max_tokens=evaluator.max_tokens,
            threads=compute.threads,
            pause=pause,
            lengths=(*LENGTHS, objective.input_tokens) if objective else LENGTHS,
        ),
        pause=pause,
    )


def _checked(training: Training, onnx: Alone, material: Material) -> gate.GateReport:
    return gate.check_fp32(
        format=training.set_up.exporter.format,
        evaluator=onnx,
        trained=material.trained,
        rows=material.prepared.validation.first_windows,
        alone=material.reference.first,
        calibration=material.evaluator.calibration,
        threads=material.threads,
        pause=material.pause,
    )


def _report(
    prepared: Prepared, tuned: FineTuned, formats: list[dict[str, Any]], measured: dict[str, Any]
) -> dict[str, Any]:
    """Return the whole `gnomon.v1.EvaluationReport`, with the proto's field names."""
    own, learned = [], len(prepared.training.windows)
    untouched = tuned.best.step == 0 and tuned.best.own_head
    if tuned.best.step == 0:
        start = "what the base model answers by itself" if untouched else _HEAD_ALONE
        own.append(f"Fine-tuning did not improve on {start}, which was kept.")
    if tuned.unseen is not None and not untouched:
        learned += len(prepared.validation.windows)
        own.append(
            "The evaluator has learned from all rows in the end. Calibration and threshold were chosen "
            "before, by one that had not seen the rows held out. Its formats were checked on these rows, "
            "which were no longer new to it: on new ones they may differ more."
        )
    cut = sum(reading.truncated for reading in prepared.test.readings)
    return measured | {
        "formats": formats,
        "warnings": [*prepared.warnings, *own, *evaluation.cautions(measured, cut)],
        "training_rows": learned,
        "validation_rows": len(prepared.validation.windows),
        "set_aside_rows": prepared.aside_rows,
    }


def _code_version() -> str:
    try:
        return f"gnomon {version('gnomon')}"
    except PackageNotFoundError:
        return "gnomon"
