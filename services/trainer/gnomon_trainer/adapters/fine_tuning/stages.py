"""A training, top to bottom: prepare → baseline → (search) → fine-tune → export → evaluate → bundle.

Every stage can be repeated after a crash and gives the same again; what takes
long, the fine-tuning, goes on from its last checkpoint. The export comes
before the evaluation because the report is of the exported file: the test
rows are scored with it one by one, as the scorer does.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gnomon_trainer.adapters import base_models
from gnomon_trainer.adapters.fine_tuning import files, probe, publishing, reading
from gnomon_trainer.adapters.fine_tuning.compute import choose
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, base_model_digest, load_network
from gnomon_trainer.adapters.fine_tuning.passes import FineTuned, Passes
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared, prepare
from gnomon_trainer.adapters.fine_tuning.searching import Judged, Search
from gnomon_trainer.adapters.fine_tuning.served import Served, made
from gnomon_trainer.adapters.fine_tuning.set_up import SetUp, Training, reducer
from gnomon_trainer.domain import evaluation, parameter_search, rule_report, settled_parameters
from gnomon_trainer.domain.measures import Ints
from gnomon_trainer.domain.parameter_search import Trial
from gnomon_trainer.domain.training import Parameters, Reporter, Stage, Trained, TrainingPlan

_HEAD_ALONE = "a linear head over the frozen base model"
_BASELINES, _SEARCH = "baselines.json", "search"


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

    reporter.stage(Stage.FINE_TUNING)
    tuned = _passes(training, prepared).run(_untrained(training))

    reporter.stage(Stage.EXPORTING)
    served = made(training, prepared, tuned)

    reporter.stage(Stage.EVALUATING)
    result = _evaluated(
        training=training, prepared=prepared, tuned=tuned, served=served, baselines=baselines, trials=trials
    )
    reporter.checkpoint_allowed()
    return publishing.publish(work, training.plan, digest, prepared, result)


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
        reduce=reducer(training, prepared),
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


def _evaluated(
    *,
    training: Training,
    prepared: Prepared,
    tuned: FineTuned,
    served: Served,
    baselines: Mapping[str, Ints],
    trials: Sequence[Trial] | None,
) -> publishing.Result:
    """Score the test rows with what is served, and write the report."""
    plan, evaluator = training.plan, served.evaluator
    logits = served.measure(prepared.test.readings)
    scores = evaluation.decisions(evaluator, logits.reduced)
    test = evaluation.TestSet(
        evaluator, prepared.test.labels, logits.reduced, baselines, plan.parameters.seed
    )
    formats = served.reports(logits.reduced)
    details = evaluation.Details(plan.test_rows, plan.metric, plan.report_options)
    report = _report(prepared, tuned, formats, evaluation.evaluate(test, scores, details))
    positive = [row.label in plan.metric.flagged_classes for row in plan.test_rows]
    report = rule_report.with_rule(report, served.rule, scores, positive)
    report = parameter_search.with_search(report, trials, plan.parameters.search_minutes)
    report = settled_parameters.with_settled(report, plan)
    threads = tuned.compute.threads
    report = rule_report.with_service(report, plan.service_objective, evaluator, threads)
    licence = base_models.licence(training.set_up.base_model)
    return publishing.Result(evaluator, report, logits, scores, served.files, licence)


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
