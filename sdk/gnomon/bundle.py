"""The evaluator bundle: what a trainer publishes and a scorer loads. Pure.

A bundle is a folder of files. `evaluator.json` says how to score with it;
its schema is `Evaluator` below. The bundle's digest is that of its manifest,
which lists every file with size and SHA-256.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gnomon.errors import BundleInvalidError, Violation
from gnomon.instances import InputShape, OutputType, Step
from gnomon.rendering import is_template
from gnomon.windows import MOST, REDUCERS

EVALUATOR_FILE = "evaluator.json"
TOKENIZER_FILE = "tokenizer.json"
REPORT_FILE = "report.json"  # a gnomon.v1.EvaluationReport as JSON, with the proto's field names
MODEL_CARD_FILE = "MODEL_CARD.md"
MANIFEST_FILE = "manifest.json"  # lists the other files where a bundle is kept as a folder or an archive

# A format names the runtime that reads it and the precision it was gated in.
ONNX_FP32 = "onnx-fp32"  # the reference: every bundle has it
ONNX_FP16 = "onnx-fp16"  # a file of its own, half as large; made for GPUs
OPENVINO_FP32 = "openvino-fp32"  # reads the file of onnx-fp32
OPENVINO_BF16 = "openvino-bf16"  # reads it too, and computes in bf16 where the processor can
OPENVINO_INT8 = "openvino-int8"  # its own quantised file; what is not quantised is computed in bf16

# Formats that OpenVINO reads are gated and served with lengths padded up to a multiple of this: at some
# others its bf16 kernels sum up in another order, and then a batch-mate moves a probability.
OPENVINO_LENGTH_STEP = 16

SCHEMA = 1
# Of bundles that scale each class or abstain: a release that knows nothing of it must not score with them.
SCHEMA_OF_DECISIONS = 2
MAX_FILES = 64
ABOVE_ALL = 1.000001  # a threshold that no score reaches, were its probability 1 and rounded up
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class BundleFile:
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps logits to probabilities: softmax(scales · logits / temperature + biases).

    `method` is `temperature`, with neither scales nor biases, or `vector`, with
    one of each a class. Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017, sections 4.1 and 4.2.
    """

    temperature: float = 1.0
    method: str = "temperature"
    rows: int = 0  # held-out rows it was fitted on
    scales: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Threshold:
    """The probability of the flagged classes together at or above which a score is flagged.

    `target` is what the aim asked for, `reached` what the rows show, both as a
    rate; `best_f1` has no target. With a `method` it is a guarantee: on rows
    like these, the rate keeps to the target with `confidence`, and `errors` of
    the `negatives` may reach the threshold. Without one it is an estimate.
    """

    value: float
    aim: str = "best_f1"
    rows: int = 0  # held-out rows it was chosen on
    target: float = 0.0
    reached: float = 0.0
    confidence: float = 0.0
    method: str = ""
    negatives: int = 0  # of the rows: those of no flagged class
    errors: int = 0

    @property
    def positives(self) -> int:
        return self.rows - self.negatives


@dataclass(frozen=True, slots=True)
class AbstainBand:
    """Probabilities of the flagged classes from `low` up to, not including, `high`: the score abstains.

    Of instances of no flagged class at most `error_rate` reach `high`, of the
    others at most `error_rate` stay below `low`, both together with
    `confidence`. Where `low` equals `high` nothing abstains.
    """

    low: float
    high: float
    error_rate: float = 0.0
    confidence: float = 0.0
    method: str = ""
    negatives: int = 0  # set-aside rows that `high` was chosen on
    positives: int = 0  # and `low`


@dataclass(frozen=True, slots=True)
class Format:
    """One exported file set. `path` is its main file."""

    format: str
    path: str


@dataclass(frozen=True, slots=True)
class Windows:
    """How an instance that is longer than `max_tokens` is read: in overlapping windows.

    `stride`: tokens between the starts of two windows. `most`: windows of an
    instance; what lies beyond is cut. `reducer`: `max`, the window in which
    the flagged classes are most probable; `mean`, the mean of the logits. See
    `gnomon.windows`.
    """

    stride: int
    most: int = 8
    reducer: str = "max"


@dataclass(frozen=True, slots=True)
class LineageRecord:
    """What the evaluator was made from; names and digests as in `gnomon.v1.Lineage`."""

    run: str = ""
    recipe: str = ""
    base_model: str = ""
    base_model_digest: str = ""
    training_set: str = ""
    training_set_digest: str = ""
    test_set: str = ""
    test_set_digest: str = ""
    code_version: str = ""
    seed: int = 0
    generation: str = ""  # whose rows the training set is made of
    generator: str = ""  # who wrote them
    imported_from: str = ""  # set by the registry alone, as the next one
    imported_by: str = ""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """The content of `evaluator.json`: all that scoring needs beside weights and tokenizer.

    `classes` are in the order of the logits. Logits have shape
    (instances, classes).
    """

    metric: str  # metrics/{metric}
    output_type: OutputType
    step: Step
    input_shape: InputShape
    classes: tuple[str, ...]
    flagged_classes: tuple[str, ...]
    template: str
    max_tokens: int
    calibration: Calibration
    threshold: Threshold
    formats: tuple[Format, ...]
    windows: Windows | None = None  # None: an instance that is too long is cut
    lineage: LineageRecord = field(default_factory=LineageRecord)
    activation: str = "softmax"
    abstain_band: AbstainBand | None = None  # None: it never abstains

    def to_json(self) -> str:
        decides_anew = bool(self.calibration.scales) or self.abstain_band is not None
        schema = SCHEMA_OF_DECISIONS if decides_anew else SCHEMA
        return json.dumps(asdict(self) | {"schema": schema}, indent=2, ensure_ascii=False) + "\n"


def parse_evaluator(text: str | bytes) -> Evaluator:
    """Read `evaluator.json`.

    Raises:
        BundleInvalidError: it is not JSON, lacks a field, or a value is out of
            its range; all problems are named, each as a violation.
    """
    try:
        raw = json.loads(text)
        if not isinstance(raw, dict):
            raise TypeError("it is not an object")
        if raw.get("schema") not in (SCHEMA, SCHEMA_OF_DECISIONS):
            known = f"{SCHEMA} and {SCHEMA_OF_DECISIONS}"
            raise TypeError(f"schema is {raw.get('schema')!r}; this release reads {known}")
        evaluator = Evaluator(
            metric=_text(raw, "metric"),
            output_type=OutputType(raw["output_type"]),
            step=Step(raw["step"]),
            input_shape=InputShape(raw["input_shape"]),
            classes=tuple(map(str, raw["classes"])),
            flagged_classes=tuple(map(str, raw["flagged_classes"])),
            template=_text(raw, "template"),
            max_tokens=int(raw["max_tokens"]),
            calibration=_calibration(raw["calibration"]),
            threshold=Threshold(**_known(Threshold, raw["threshold"])),
            formats=tuple(Format(_text(entry, "format"), _text(entry, "path")) for entry in raw["formats"]),
            windows=_windows(raw.get("windows")),
            lineage=LineageRecord(**_known(LineageRecord, raw.get("lineage", {}))),
            activation=_text(raw, "activation"),
            abstain_band=_abstain_band(raw.get("abstain_band")),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        what = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise BundleInvalidError(
            f"{EVALUATOR_FILE} cannot be read: {what}.", violations=[Violation(EVALUATOR_FILE, what)]
        ) from error
    _check(evaluator)
    return evaluator


def _text(raw: dict[str, Any], key: str) -> str:
    if not isinstance(raw[key], str):
        raise TypeError(f"{key} is not text")
    return str(raw[key])


def _calibration(raw: Any) -> Calibration:
    known = _known(Calibration, raw)
    for name in ("scales", "biases"):
        known[name] = tuple(known.get(name, ()))
    return Calibration(**known)


def _abstain_band(raw: Any) -> AbstainBand | None:
    return None if raw is None else AbstainBand(**_known(AbstainBand, raw))


def _windows(raw: Any) -> Windows | None:
    if raw is None:
        return None
    known = _known(Windows, raw)
    return Windows(known.pop("stride"), **known)


def _known(cls: type, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise TypeError(f"{cls.__name__.lower()} is not an object")
    return {f.name: raw[f.name] for f in fields(cls) if f.name in raw}


def _check(evaluator: Evaluator) -> None:
    problems: list[Violation] = []

    def require(holds: bool, field_name: str, rule: str) -> None:
        if not holds:
            problems.append(Violation(f"{EVALUATOR_FILE}: {field_name}", rule))

    classes = evaluator.classes
    require(2 <= len(classes) <= 255, "classes", "must be 2 to 255")
    require(len(set(classes)) == len(classes), "classes", "must be distinct")
    require(set(evaluator.flagged_classes) <= set(classes), "flagged_classes", "must be classes")
    require(is_template(evaluator.template), "template", "is not known to this release")
    require(1 <= evaluator.max_tokens <= 1_048_576, "max_tokens", "must be 1 to 1048576")
    require(evaluator.activation == "softmax", "activation", "must be softmax")
    temperature, threshold = evaluator.calibration.temperature, evaluator.threshold.value
    require(_is_number(temperature) and 0 < temperature < 1e6, "calibration.temperature", "must be above 0")
    within = _is_number(threshold) and (0 <= threshold <= 1 or threshold == ABOVE_ALL)
    require(within, "threshold.value", f"must be in [0, 1], or {ABOVE_ALL}: flag nothing")
    for name in ("scales", "biases"):
        values = getattr(evaluator.calibration, name)
        one_each = len(values) in (0, len(classes)) and all(_is_finite(value) for value in values)
        require(one_each, f"calibration.{name}", "must be one number a class, or none")
    scales, biases = evaluator.calibration.scales, evaluator.calibration.biases
    require(len(scales) == len(biases), "calibration.scales", "must come with biases")
    require(all(_is_finite(s) and s > 0 for s in scales), "calibration.scales", "must be above 0")
    if (band := evaluator.abstain_band) is not None:
        within = _is_number(band.low) and _is_number(band.high) and 0 <= band.low <= band.high <= ABOVE_ALL
        require(within, "abstain_band", "must have 0 <= low <= high <= 1")
        require(bool(evaluator.flagged_classes), "abstain_band", "needs flagged classes")
    if (windows := evaluator.windows) is not None:
        longest = evaluator.max_tokens
        require(_is_count(windows.stride, longest), "windows.stride", "must be 1 to max_tokens")
        require(_is_count(windows.most, MOST), "windows.most", f"must be 1 to {MOST}")
        require(windows.reducer in REDUCERS, "windows.reducer", f"must be {' or '.join(REDUCERS)}")
    formats = {entry.format for entry in evaluator.formats}
    require(ONNX_FP32 in formats, "formats", f"must have {ONNX_FP32}")
    if problems:
        raise BundleInvalidError(f"{problems[0].field} {problems[0].description}.", violations=problems)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def _is_finite(value: object) -> bool:
    return _is_number(value) and abs(value) < float("inf")  # type: ignore[arg-type]


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def check_files(files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
    """Return a bundle's files in the manifest's order.

    Raises:
        BundleInvalidError: a path that could leave the folder or occurs twice,
            a malformed digest, too many files, or no `evaluator.json`.
    """
    ordered = tuple(sorted(files))
    problems = [
        Violation(f"files[{file.path[:80]!r}].path", "must be letters, digits, '.', '_', '-' and '/'")
        for file in ordered
        if not is_path(file.path)
    ]
    problems += [
        Violation(f"files[{file.path[:80]!r}].sha256", "must be 64 lower-case hex digits")
        for file in ordered
        if not _SHA256.fullmatch(file.sha256)
    ]
    paths = [file.path.casefold() for file in ordered]
    problems += [Violation("files", f"holds {p!r} twice") for p in sorted(set(paths)) if paths.count(p) > 1]
    if len(ordered) > MAX_FILES:
        problems.append(Violation("files", f"must be at most {MAX_FILES}"))
    names = {file.path for file in ordered}
    problems += [
        Violation("files", f"must hold {name}")
        for name in (EVALUATOR_FILE, TOKENIZER_FILE)
        if name not in names
    ]
    if problems:
        raise BundleInvalidError(
            f"The bundle's {problems[0].field} {problems[0].description}.",
            violations=problems,
            path=problems[0].field,
            rule="files",
        )
    return ordered


def manifest(files: Iterable[BundleFile]) -> bytes:
    """Return the manifest: canonical JSON of the files in order."""
    entries = [asdict(file) for file in check_files(files)]
    return json.dumps({"files": entries}, sort_keys=True, separators=(",", ":")).encode()


def digest(files: Iterable[BundleFile]) -> str:
    """Return the bundle's digest: SHA-256 of its manifest, in lower-case hex."""
    return hashlib.sha256(manifest(files)).hexdigest()


def is_path(value: str) -> bool:
    """Tell whether a file of a bundle may have this path."""
    return _PATH.fullmatch(value) is not None


def is_sha256(value: str) -> bool:
    return _SHA256.fullmatch(value) is not None
