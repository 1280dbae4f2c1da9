"""Whether an evaluator bundle is one of its metric."""

from collections.abc import Iterator

from gnomon.bundle import EVALUATOR_FILE, BundleFile, Evaluator, LineageRecord
from gnomon.errors import BundleInvalidError, Violation
from gnomon_registry.domain.entities import Metric


def check_fit(
    metric: Metric, evaluator: Evaluator, files: tuple[BundleFile, ...], *, by_its_name: bool = True
) -> None:
    """Raise BundleInvalidError, naming every difference, unless the evaluator computes the metric.

    `by_its_name`: it must name this metric, too. What was made elsewhere may call it otherwise.
    """
    problems = [
        *_differences(metric, evaluator, by_its_name),
        *_template_problems(evaluator),
        *_format_problems(evaluator, files),
        *_lineage_problems(evaluator.lineage),
    ]
    if problems:
        raise BundleInvalidError(
            f"The bundle does not fit {metric.name}: {problems[0].field} {problems[0].description}.",
            violations=problems,
            resource=str(metric.name),
            path=EVALUATOR_FILE,
            rule="fit",
        )


def _differences(metric: Metric, evaluator: Evaluator, by_its_name: bool) -> Iterator[Violation]:
    definition = metric.definition
    for field, found, wanted in (
        ("metric", evaluator.metric, str(metric.name)),
        ("output_type", evaluator.output_type.value, definition.output_type.value),
        ("step", evaluator.step.value, definition.step.value),
        ("input_shape", evaluator.input_shape.value, definition.input_shape.value),
        ("classes", list(evaluator.classes), list(definition.labels)),
        ("flagged_classes", sorted(evaluator.flagged_classes), sorted(definition.flagged_labels)),
    ):
        if found != wanted and (by_its_name or field != "metric"):
            yield _problem(field, f"is {_short(found)}; the metric's is {_short(wanted)}")


def _template_problems(evaluator: Evaluator) -> Iterator[Violation]:
    shape = evaluator.template.rpartition("/")[0].replace("-", "_")
    if shape != evaluator.input_shape.value:
        yield _problem("template", f"is {evaluator.template}, which does not render {evaluator.input_shape}")


def _format_problems(evaluator: Evaluator, files: tuple[BundleFile, ...]) -> Iterator[Violation]:
    paths = {file.path for file in files}
    formats = [entry.format for entry in evaluator.formats]
    for entry in evaluator.formats:
        if entry.path not in paths:
            yield _problem("formats", f"names {_short(entry.path)}, which is not among the bundle's files")
    if len(set(formats)) < len(formats):
        yield _problem("formats", "names a format twice")
    if not all(map(_is_storable, formats)):
        yield _problem("formats", "must have names of at most 1000 printable characters")


def _lineage_problems(lineage: LineageRecord) -> Iterator[Violation]:
    """The lineage goes into the catalog as it is, so its values must be of the declared types."""
    for field in LineageRecord.__dataclass_fields__:
        value = getattr(lineage, field)
        if field == "seed":
            if not isinstance(value, int) or not -(2**63) <= value < 2**63:
                yield _problem("lineage.seed", "must be a 64-bit integer")
        elif not isinstance(value, str) or not _is_storable(value):
            yield _problem(f"lineage.{field}", "must be at most 1000 printable characters")


def _is_storable(text: str) -> bool:
    # JSON can escape half of a surrogate pair, which no UTF-8 can hold.
    return len(text) <= 1000 and text.isprintable()


def _problem(field: str, description: str) -> Violation:
    return Violation(f"{EVALUATOR_FILE}: {field}", description)


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
