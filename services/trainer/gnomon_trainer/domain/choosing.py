"""Which recipe fits a run's data and the load it is to carry: the rule of a recipe that chooses. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median_low

from gnomon_trainer.domain.service_objective import ServiceObjective
from gnomon_trainer.domain.texts import rendered
from gnomon_trainer.domain.training import MetricDefinition, Row

_FEW_LARGEST = 30  # times few_class_rows: recipe `few` takes many steps, more with every row
_BYTES_A_TOKEN = 4  # of English with a vocabulary of 30,000 pieces; only an order of size is needed here


@dataclass(frozen=True, slots=True)
class Choice:
    """What a recipe chooses among, and by what; the table `[choice]` of its file.

    `few` is for up to `few_class_rows` rows a class (the median of the classes),
    where the largest class has at most `few_largest_class_rows`: of two classes
    the smaller one is the median, however many rows the other has.
    `large` scores better and slower: it is for sets whose rows it reads in at
    most `large_training_tokens` tokens an epoch, and for loads under which one
    core, at `large_tokens_per_second`, answers in half the time that is allowed.
    `small` is for all else.
    """

    small: str
    few: str = ""
    few_class_rows: int = 0
    large: str = ""
    large_training_tokens: int = 0
    large_tokens_per_second: float = 0.0

    @property
    def few_largest_class_rows(self) -> int:
        return _FEW_LARGEST * self.few_class_rows


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run before it is trained. `class_rows`: how many rows to learn from, by class."""

    class_rows: Mapping[str, int]
    text_bytes: int  # of all rows to learn from
    objective: ServiceObjective | None = None

    @property
    def rows(self) -> int:
        return sum(self.class_rows.values())

    @property
    def typical_class_rows(self) -> int:
        return median_low(self.class_rows.values())

    @property
    def largest_class_rows(self) -> int:
        return max(self.class_rows.values())

    @property
    def tokens(self) -> int:
        """About how many tokens all rows have together."""
        return self.text_bytes // _BYTES_A_TOKEN


def facts_of(rows: Iterable[Row], metric: MetricDefinition, objective: ServiceObjective | None) -> Facts:
    """Return the facts of the rows to learn from."""
    class_rows: Counter[str] = Counter()
    text_bytes = 0
    for row in rows:
        class_rows[row.label] += 1
        text_bytes += len(rendered(row.instance, metric).encode())
    return Facts(class_rows, text_bytes, objective)


@dataclass(frozen=True, slots=True)
class Chosen:
    recipe: str
    reason: str


def choose(choice: Choice, facts: Facts, missing: Callable[[str], str | None]) -> Chosen:
    """Return the recipe for a run, and why; `missing` says what a recipe lacks here, None if nothing.

    `facts.class_rows` must not be empty.
    """
    reasons = []
    shape = f"{facts.rows} rows to learn from, {_sizes(facts)}"
    against_few = _against_few(choice, facts)
    if choice.few and not against_few:
        if lack := missing(choice.few):
            reasons.append(f"{shape}: {choice.few} was passed over: {lack.rstrip('.')}")
        else:
            why = f"{shape}: at most {choice.few_class_rows}"
            return Chosen(choice.few, _sentence(choice.few, [why]))
    elif choice.few:
        reasons.append(f"{shape}: {against_few}, so not {choice.few}")
    if choice.large:
        against = _against_large(choice, facts) or missing(choice.large)
        if not against:
            return Chosen(choice.large, _sentence(choice.large, [*reasons, _for_large(facts)]))
        reasons.append(f"{choice.large} was passed over: {against.rstrip('.')}")
    return Chosen(choice.small, _sentence(choice.small, reasons or [shape]))


def _sizes(facts: Facts) -> str:
    sizes = facts.class_rows.values()
    largest, typical = facts.largest_class_rows, facts.typical_class_rows
    return f"in {len(sizes)} classes of {min(sizes)} to {largest}, {typical} in the median"


def _against_few(choice: Choice, facts: Facts) -> str | None:
    """Return what speaks against the recipe for few rows; None if nothing does."""
    if facts.typical_class_rows > choice.few_class_rows:
        return f"more than {choice.few_class_rows}"
    if facts.largest_class_rows > choice.few_largest_class_rows:
        return f"more than {choice.few_largest_class_rows} in the largest"
    return None


def _against_large(choice: Choice, facts: Facts) -> str | None:
    """Return what speaks against the larger base model; None if nothing does."""
    if facts.tokens > choice.large_training_tokens:
        return (
            f"the rows have about {facts.tokens:,} tokens, more than the {choice.large_training_tokens:,} "
            "that it learns from in reasonable time"
        )
    objective = facts.objective
    if objective is None:
        return None
    alone_ms = objective.input_tokens / choice.large_tokens_per_second * 1_000
    if 2 * alone_ms > objective.p95_ms:
        return (
            f"it takes about {alone_ms:.0f} ms for {objective.input_tokens} tokens, more than half of the "
            f"{objective.p95_ms:g} ms that are allowed"
        )
    if 2 * alone_ms * objective.load > 1_000:
        return (
            f"it takes about {alone_ms:.0f} ms for {objective.input_tokens} tokens, so that a core carries "
            f"less than twice the {objective.load:g} instances a second that are asked for"
        )
    return None


def _for_large(facts: Facts) -> str:
    load = "no load is set that it could miss" if facts.objective is None else "it keeps to the load set"
    return f"about {facts.tokens:,} tokens are few enough for its larger base model, and {load}"


def _sentence(recipe: str, reasons: list[str]) -> str:
    return f"The recipe {recipe} was chosen: {'; '.join(reasons)}."
