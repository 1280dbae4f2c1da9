"""What a finished training leaves in the work folder, and how a later call finds it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gnomon.bundle import EVALUATOR_FILE, MODEL_CARD_FILE, REPORT_FILE, TOKENIZER_FILE, Evaluator
from gnomon.decision import Decision
from gnomon.tokens import Reading
from gnomon_trainer.adapters.fine_tuning import files
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.scoring import WindowLogits
from gnomon_trainer.domain.model_card import model_card
from gnomon_trainer.domain.soft_labels import COLUMN
from gnomon_trainer.domain.training import Parameters, ReportOptions, Row, Trained, TrainingPlan

# Counts up when the same plan would give another evaluator: older checkpoints and results are then not taken.
_TRAINING = 6

# The parameters of the first release with thresholds; those behind them came later.
_FIRST_PARAMETERS = 18

_BUNDLE, _PREDICTIONS, _DONE = "bundle", "predictions.jsonl", "done.json"


@dataclass(frozen=True, slots=True)
class Result:
    """All that a bundle and the predictions are written from."""

    evaluator: Evaluator
    report: dict[str, Any]
    logits: WindowLogits
    scores: Sequence[Decision]
    exported: Sequence[Path]  # the files of all formats
    base_model_licence: str = ""  # as its README.md names it


def publish(work: Path, plan: TrainingPlan, plan_digest: str, prepared: Prepared, result: Result) -> Trained:
    """Write predictions and bundle, and last of all the mark that both are whole."""
    lines = [
        json.dumps(_prediction(*row), ensure_ascii=False) + "\n"
        for row in zip(
            plan.test_rows,
            prepared.test.readings,
            result.logits.reduced.tolist(),
            result.logits.deciding,
            result.scores,
            strict=True,
        )
    ]
    files.replace_file(work / _PREDICTIONS, "".join(lines).encode())
    card = model_card(plan, result.evaluator, result.report, result.base_model_licence)
    with files.NewFolder(work / _BUNDLE) as folder:
        for file in result.exported:
            files.copy(file, folder / file.name)
        files.write_durably(folder / EVALUATOR_FILE, result.evaluator.to_json().encode())
        files.write_durably(folder / TOKENIZER_FILE, prepared.encoder.to_json().encode())
        files.write_durably(folder / REPORT_FILE, files.to_json(result.report))
        files.write_durably(folder / MODEL_CARD_FILE, card.encode())
    digests = {f.relative_to(work).as_posix(): files.sha256_of(f) for f in _results(work)}
    files.replace_file(work / _DONE, files.to_json({"plan": plan_digest, "files": digests}))
    return Trained(work / _BUNDLE, result.report, work / _PREDICTIONS)


def _prediction(
    row: Row, reading: Reading, logits: list[float], deciding: int | None, score: Decision
) -> Mapping[str, Any]:
    return {
        "row": row.number,
        "true_label": row.label,
        "logits": logits,
        "label": score.label,
        "flagged": score.flagged,
        "abstained": score.abstained,
        "probabilities": score.probabilities,
        "token_count": reading.token_count,
        "truncated": reading.truncated,
        "window_count": len(reading.windows),
        "deciding_window": deciding,
    }


def _results(work: Path) -> list[Path]:
    return [work / _PREDICTIONS, *sorted((work / _BUNDLE).iterdir())]


def finished(work: Path, plan_digest: str) -> Trained | None:
    """Return what an earlier call made of the same plan, if all of it is as it was left."""
    done = files.read_json(work / _DONE)
    if not isinstance(done, dict) or done.get("plan") != plan_digest:
        return None
    try:
        found = {f.relative_to(work).as_posix(): files.sha256_of(f) for f in _results(work)}
    except OSError:
        return None
    if found != done["files"]:
        return None
    return Trained(work / _BUNDLE, files.read_json(work / _BUNDLE / REPORT_FILE), work / _PREDICTIONS)


def digest_of(plan: TrainingPlan, model_digest: str) -> str:
    """Return what tells two plans apart: everything that the evaluator depends on."""
    digest = hashlib.sha256()
    parameters = _decisive(plan.parameters)
    content = (_TRAINING, plan.metric, parameters, plan.lineage, plan.warnings, model_digest)
    digest.update(repr(content).encode())
    if plan.service_objective is not None:
        digest.update(repr(plan.service_objective).encode())
    if plan.report_options != ReportOptions():
        digest.update(repr(plan.report_options).encode())
    for rows in (plan.training_rows, plan.test_rows):
        digest.update(b"\x1d")
        for row in rows:
            digest.update(repr((row.number, row.label, row.instance)).encode())
            if shares := row.extra.get(COLUMN):
                digest.update(repr(shares).encode())
    return digest.hexdigest()


def _decisive(parameters: Parameters) -> dict[str, Any]:
    """Return the parameters by name; later ones only where they are set, so older plans stay the same."""
    later = {field.name: field.default for field in fields(Parameters)[_FIRST_PARAMETERS:]}
    return {
        name: value for name, value in asdict(parameters).items() if name not in later or value != later[name]
    }
