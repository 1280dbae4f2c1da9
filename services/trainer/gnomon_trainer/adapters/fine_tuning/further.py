"""The formats beside the reference: each is made, put through the gate, measured, and published if it passed.

One that cannot be had, or does not pass, is told in the report with the
reason; it fails no run.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.bundle import Evaluator, Format
from gnomon.tokens import Reading
from gnomon_trainer.adapters.fine_tuning import files, gate, quantizing
from gnomon_trainer.adapters.fine_tuning.gate import GateReport
from gnomon_trainer.adapters.fine_tuning.openvino_formats import FurtherFormat
from gnomon_trainer.adapters.fine_tuning.preparing import Prepared
from gnomon_trainer.adapters.fine_tuning.profiling import LatencyPoint, machine
from gnomon_trainer.adapters.fine_tuning.scoring import Alone, Logits, WindowLogits
from gnomon_trainer.domain import parity
from gnomon_trainer.domain.evaluation import TestSet, macro_f1
from gnomon_trainer.domain.measures import Ints

_TEST_MACRO_F1 = "test_macro_f1"
_MOST_TEST_ROWS = 512  # in which formats are compared; the report's own measures are of all


@dataclass(frozen=True, slots=True)
class Material:
    """What a format is made from and held against.

    `reference` are the logits of `onnx-fp32` for the held-out rows, `trained`
    those of the network for the first windows of as many as the gate reads.
    `compared` are the test rows, by their places, in which formats are compared.
    `measure` scores rows with an evaluator as it is served, `profile` says how
    fast it is.
    """

    onnx: Path
    evaluator: Evaluator
    prepared: Prepared
    reference: WindowLogits
    trained: Logits
    compared: Ints
    seed: int
    threads: int
    measure: Callable[[Alone, Sequence[Reading]], WindowLogits]
    profile: Callable[[Alone], list[LatencyPoint]]
    pause: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A format's part of the report; `files` are its own, none if it is not published."""

    report: dict[str, Any]
    format: Format | None = None
    files: tuple[Path, ...] = ()
    test: Logits | None = None  # of the test rows in which formats are compared
    aside: Logits | None = None  # of the rows set aside for guarantees


def compared(test_rows: int, seed: int) -> Ints:
    """Return the places of the test rows in which formats are compared: all, or 512 drawn by the seed.

    Each format scores them alone, as it serves: of long rows a thousand take minutes, for a figure that
    nothing is chosen by.
    """
    if test_rows <= _MOST_TEST_ROWS:
        return np.arange(test_rows)
    return np.sort(np.random.default_rng(seed).choice(test_rows, _MOST_TEST_ROWS, replace=False))


def attempt(wanted: FurtherFormat, material: Material, folder: Path) -> Outcome:
    """Make a format, its own files in a new folder, and publish it if it passes the gate.

    Raises:
        OSError: the disk is full or away.
    """
    pause = _Pause(material.pause)
    try:
        if problem := wanted.problem():
            return Outcome(refused(wanted.format, problem))
        return _attempt(wanted, replace(material, pause=pause), folder)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a library is broken, or stumbled over this base model
        if pause.raised is not None:
            raise pause.raised from None
        first = str(error).strip().partition("\n")[0].replace(str(folder.parent), "…")[:200]
        return Outcome(refused(wanted.format, f"It cannot be made or run: {type(error).__name__}: {first}"))


def refused(format_: str, reason: str) -> dict[str, Any]:
    """Return the `gnomon.v1.FormatReport` of a format that there was nothing to measure of."""
    return {"format": format_, "passed": False, "reason": reason, "measures": [], "rows": 0}


def retold(outcome: Outcome, material: Material) -> dict[str, Any]:
    """Return a format's report with its macro-F1 at the threshold that all formats ended up with."""
    if outcome.test is None:
        return outcome.report
    kept = [entry for entry in outcome.report["measures"] if entry["key"] != _TEST_MACRO_F1]
    return {**outcome.report, "measures": [*kept, _test_macro_f1(outcome.test, material)]}


def _test_macro_f1(test: Logits, material: Material) -> dict[str, Any]:
    labels = material.prepared.test.labels[material.compared]
    rows = TestSet(material.evaluator, labels, test, {}, material.seed)
    return asdict(replace(macro_f1(rows), key=_TEST_MACRO_F1))


def complete_report(
    checked: GateReport, opened: Alone, test: Logits, runtime: str, material: Material
) -> dict[str, Any]:
    """Return the `gnomon.v1.FormatReport` of a format that passed, with how fast it is.

    `test` are its logits of the test rows in which formats are compared. Its
    macro-F1 on them is told, and nothing is chosen by it.
    """
    report = _gate_report(checked)
    report["measures"].append(_test_macro_f1(test, material))
    report["latency_profile"] = [asdict(point) for point in material.profile(opened)]
    report["machine"] = machine(runtime, material.threads)
    return report


def _gate_report(checked: GateReport) -> dict[str, Any]:
    return {
        "format": checked.format,
        "passed": not checked.reason,
        "reason": checked.reason,
        "measures": [asdict(entry) for entry in checked.measures],
        "rows": checked.rows,
    }


def _attempt(wanted: FurtherFormat, material: Material, folder: Path) -> Outcome:
    prepared, evaluator = material.prepared, material.evaluator
    rows = quantizing.calibration_rows(prepared.training.first_windows, material.seed)
    with files.NewFolder(folder) as made:
        wanted.make(material.onnx, rows, made, material.pause)
    own = tuple(sorted(folder.iterdir()))
    material.pause()
    path = folder / wanted.path if own else material.onnx
    opened = wanted.open(path, evaluator.max_tokens, material.threads)
    found = material.measure(opened, prepared.held_out.readings[: len(material.trained)])
    if not np.isfinite(found.reduced).all():
        return Outcome(refused(wanted.format, "Some of its logits are no numbers."))
    checked = _check(wanted, opened, found, material)
    if checked.reason:
        return Outcome(_gate_report(checked))
    test = material.measure(opened, [prepared.test.readings[i] for i in material.compared]).reduced
    report = complete_report(checked, opened, test, wanted.runtime, material)
    aside = material.measure(opened, prepared.aside.readings).reduced if prepared.aside else None
    return Outcome(report, Format(wanted.format, wanted.path), own, test, aside)


def _check(wanted: FurtherFormat, opened: Alone, found: WindowLogits, material: Material) -> GateReport:
    """Hold a format against the network if it is as exact, else against the reference."""
    rows = material.prepared.validation.first_windows
    calibration = material.evaluator.calibration
    held_out = material.prepared.held_out
    size = len(material.trained)
    if wanted.exact:
        return gate.check_fp32(
            format=wanted.format,
            evaluator=opened,
            trained=material.trained,
            rows=rows,
            alone=found.first,
            calibration=calibration,
            threads=material.threads,
            pause=material.pause,
        )
    before, after = (
        TestSet(material.evaluator, held_out.labels[:size], logits, {}, material.seed)
        for logits in (material.reference.reduced[:size], found.reduced)
    )
    return GateReport(
        format=wanted.format,
        measures=(
            *parity.compare(before, after),
            gate.batch_invariance(
                opened, rows, found.first, calibration, threads=material.threads, pause=material.pause
            ),
        ),
        rows=size,
        limits=parity.reduced_limits(size),
    )


class _Pause:
    """Remembers what stopped the work, so that no library can take it for its own trouble."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self.raised: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._pause()
        except BaseException as error:
            self.raised = error
            raise
