"""From a fine-tuned network to what is served: its formats behind the gate, and the rule that they decide by.

The reference is exported first; the rule is chosen from its logits. Further formats are held against
it. A guarantee is one of every format, so the rule is settled when all are made.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gnomon.bundle import Evaluator, Format
from gnomon.rendering import template_for
from gnomon.tokens import Reading
from gnomon_trainer.adapters.fine_tuning import deciding, files, further, gate
from gnomon_trainer.adapters.fine_tuning.compute import Compute, reproducible
from gnomon_trainer.adapters.fine_tuning.further import Material
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork
from gnomon_trainer.adapters.fine_tuning.passes import FineTuned
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.profiling import LENGTHS
from gnomon_trainer.adapters.fine_tuning.scoring import (
    Alone,
    Logits,
    OnnxEvaluator,
    WindowLogits,
    logits_of_readings,
)
from gnomon_trainer.adapters.fine_tuning.set_up import Training, reducer
from gnomon_trainer.domain.decision_rules import DecisionRule

_EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Served:
    """What a training serves. `reference` is the exported fp32 file, which the report is of."""

    evaluator: Evaluator
    rule: DecisionRule
    reference: OnnxEvaluator
    passed: gate.GateReport  # of the reference
    outcomes: Sequence[further.Outcome]  # of the further formats
    material: Material
    files: Sequence[Path]  # of all formats

    def measure(self, readings: Sequence[Reading]) -> WindowLogits:
        """Score rows one by one with the reference, as a scorer does."""
        return self.material.measure(self.reference, readings)

    def reports(self, test: Logits) -> list[dict[str, Any]]:
        """Return the formats' parts of the report; `test` are the reference's logits of the test rows."""
        material = self.material
        own = further.complete_report(
            self.passed, self.reference, test[material.compared], "onnxruntime", material
        )
        return [own, *(further.retold(outcome, material) for outcome in self.outcomes)]


def made(training: Training, prepared: Prepared, tuned: FineTuned) -> Served:
    """Export, choose the rule, check and make the formats.

    Raises:
        GnomonError: the reference does not pass the gate.
    """
    exported = _export(training, tuned.network.to("cpu"), prepared.encoder.max_tokens, tuned.compute)
    onnx = OnnxEvaluator(exported / training.set_up.exporter.path)
    measure = functools.partial(
        logits_of_readings,
        reduce=reducer(training, prepared),
        threads=tuned.compute.threads,
        pause=training.reporter.checkpoint_allowed,
    )
    held_out = measure(onnx, prepared.held_out.readings)
    aside = measure(onnx, prepared.aside.readings).reduced if prepared.aside else None
    new = held_out.reduced  # logits of rows that are new to whoever gave them
    if tuned.unseen is not None:
        with reproducible(tuned.compute):
            new = measure(tuned.unseen, prepared.held_out.readings).reduced
    evaluator = _evaluator(training, prepared, deciding.rule(training.plan, prepared, new, [aside]))
    material = _material(
        training=training,
        prepared=prepared,
        compute=tuned.compute,
        network=tuned.network,
        evaluator=evaluator,
        held_out=held_out,
        measure=measure,
    )
    passed = gate.require(_checked(training, onnx, material))
    outcomes = [
        further.attempt(wanted, material, training.work / f"{_EXPORT}-{wanted.format}")
        for wanted in training.set_up.further
    ]
    rule = deciding.rule(training.plan, prepared, new, [aside, *(outcome.aside for outcome in outcomes)])
    evaluator = replace(
        evaluator,
        formats=(*evaluator.formats, *(outcome.format for outcome in outcomes if outcome.format)),
        threshold=rule.threshold,
        abstain_band=rule.abstain_band,
    )
    return Served(
        evaluator=evaluator,
        rule=rule,
        reference=onnx,
        passed=passed,
        outcomes=outcomes,
        material=replace(material, evaluator=evaluator),
        files=[*exported.iterdir(), *(file for outcome in outcomes for file in outcome.files)],
    )


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


def _code_version() -> str:
    try:
        return f"gnomon {version('gnomon')}"
    except PackageNotFoundError:
        return "gnomon"
