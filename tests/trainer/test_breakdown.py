"""What a report says below its figures: pairs, slices, worst rows, a judge's labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics

from gnomon.instances import InputShape, OutputType, Step, text_span
from gnomon_trainer.domain import breakdown, breakdown_words, measures, pairing, slicing
from gnomon_trainer.domain.answers import Answers, resampled
from gnomon_trainer.domain.training import MetricDefinition, ReportOptions, Row

CLASSES = ("calm", "angry", "sad")
METRIC = MetricDefinition(
    "metrics/tone", OutputType.CATEGORICAL, Step.LLM_SPAN, InputShape.OUTPUT, CLASSES, ("angry",)
)


def some_answers(rows: int, seed: int) -> Answers:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), rows)
    return Answers(CLASSES, random.integers(0, 3, rows), probabilities.argmax(axis=1), probabilities)


def some_rows(answers: Answers, **columns: list[object]) -> list[Row]:
    return [
        Row(n + 1, text_span(output="x" * (50 + 100 * (n % 3))), CLASSES[label], extra)
        for n, label in enumerate(answers.truth)
        for extra in [{key: values[n] for key, values in columns.items() if n < len(values)}]
    ]


def by_name(parts: list[slicing.Part], key: str) -> dict[str, list[int]]:
    return {part.value: part.rows.tolist() for part in parts if part.key == key}


# ------------------------------------------------------------------------ pairs


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_test_is_the_exact_binomial_one(first: int, second: int) -> None:
    if first + second == 0:
        assert pairing.mcnemar_p(0, 0) == 1.0
        return
    expected = stats.binomtest(first, first + second, 0.5).pvalue
    assert pairing.mcnemar_p(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemars_test_of_many_rows_neither_overflows_nor_vanishes() -> None:
    assert pairing.mcnemar_p(50_000, 50_000) == pytest.approx(1.0)
    assert 0.0 <= pairing.mcnemar_p(90_000, 10_000) < 1e-300


def test_two_that_say_the_same_differ_by_nothing() -> None:
    answers = some_answers(80, 1)
    found = resampled(answers, measures.draw(80, 0, 200)).overall
    pair = pairing.compared(answers.right, answers.right, found, found)
    assert pair["mcnemar_p"] == 1.0
    assert {entry["key"] for entry in pair["differences"]} == set(found)
    assert all(entry["value"] == entry["low"] == entry["high"] == 0 for entry in pair["differences"])


def test_a_paired_difference_is_surer_than_two_intervals_apart() -> None:
    """Two that are wrong on almost the same rows: each interval is wide, that of the difference narrow."""
    truth = np.zeros(400, dtype=np.int64)
    first = np.r_[np.zeros(300), np.ones(100)].astype(np.int64)
    second = np.r_[np.zeros(288), np.ones(112)].astype(np.int64)
    draws = measures.draw(400, 0)

    def accuracies(labels: measures.Ints) -> measures.Floats:
        return measures.mean(labels == truth, draws)

    alone = measures.interval("accuracy", accuracies(first))
    pair = pairing.compared(
        first == truth, second == truth, {"accuracy": accuracies(first)}, {"accuracy": accuracies(second)}
    )
    assert (pair["only_first_right"], pair["only_second_right"]) == (12, 0)
    assert pair["mcnemar_p"] == pytest.approx(2 / 2**12)
    (difference,) = pair["differences"]
    assert difference["value"] == pytest.approx(0.03)
    assert 0 < difference["low"] < difference["high"]
    assert alone is not None
    assert difference["high"] - difference["low"] < (alone.high - alone.low) / 2


# ----------------------------------------------------------------------- slices


@given(st.integers(12, 90), st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_every_division_puts_each_row_into_one_part(rows: int, seed: int) -> None:
    answers = some_answers(rows, seed)
    values = list(np.random.default_rng(seed).choice(["en", "de", "fr", ""], rows))
    parts = slicing.parts(some_rows(answers, language=values), METRIC, ReportOptions())
    for key in {part.key for part in parts}:
        positions = [row for part in parts if part.key == key for row in part.rows]
        assert sorted(positions) == list(range(rows))


def test_rows_are_divided_by_length_class_and_short_values() -> None:
    answers = some_answers(60, 0)
    rows = some_rows(answers, language=["en"] * 40 + ["de"] * 17 + ["fr", "it", "es"])
    parts = slicing.parts(rows, METRIC, ReportOptions())
    assert list(by_name(parts, "characters")) == ["0–100", "101–300"]
    assert by_name(parts, "class") == {
        label: np.flatnonzero(answers.truth == c).tolist() for c, label in enumerate(CLASSES)
    }
    # Three values of one row each: none of them is named.
    assert {v: len(r) for v, r in by_name(parts, "column:language").items()} == {
        "en": 40, "de": 17, "(others)": 3
    }  # fmt: skip


def test_ids_judges_texts_and_structures_divide_nothing_unless_asked_to() -> None:
    answers = some_answers(60, 0)
    rows = some_rows(
        answers,
        id=[str(n % 2) for n in range(60)],
        judge_label=["calm", "sad"] * 30,
        note=["A long remark about what somebody said, " + "ab"[n % 2] for n in range(60)],
        tags=[["a"], ["b"]] * 30,
    )
    free = slicing.parts(rows, METRIC, ReportOptions())
    assert {part.key for part in free} == {"characters", "class"}
    asked = slicing.parts(rows, METRIC, ReportOptions(slice_columns=("note", "judge_label")))
    assert {part.key for part in asked} == {"characters", "class", "column:judge_label"}
    assert not any("somebody" in part.value for part in free)


def test_numbers_are_divided_into_quarters() -> None:
    answers = some_answers(80, 0)
    rows = some_rows(answers, cost=[float(n) for n in range(80)])
    quarters = by_name(slicing.parts(rows, METRIC, ReportOptions()), "column:cost")
    assert list(quarters) == ["0 to 19.75", "19.75 to 39.5", "39.5 to 59.25", "59.25 to 79"]
    assert [len(rows) for rows in quarters.values()] == [20, 20, 20, 20]


def test_a_slices_measures_are_those_of_its_rows() -> None:
    answers = some_answers(120, 3)
    part = slicing.Part("column:language", "en", np.arange(0, 120, 3))
    (found,) = breakdown.slices(answers, [part], measures.draw(120, 0, 300))
    values = {entry["key"]: entry for entry in found["measures"]}
    truth, predicted = answers.truth[part.rows], answers.predicted[part.rows]
    rest = np.setdiff1d(np.arange(120), part.rows)
    assert found["rows"] == 40
    assert not found["few_rows"]
    assert values["accuracy"]["value"] == pytest.approx((truth == predicted).mean())
    assert values["macro_f1"]["value"] == pytest.approx(
        sklearn_metrics.f1_score(truth, predicted, average="macro")
    )
    assert values["brier"]["value"] == pytest.approx(answers.squares[part.rows].mean())
    assert values["accuracy_difference"]["value"] == pytest.approx(
        answers.right[part.rows].mean() - answers.right[rest].mean()
    )
    for entry in values.values():
        assert entry["low"] < entry["value"] < entry["high"]


def test_a_slice_of_few_rows_is_said_to_be_one_and_never_divides_by_nothing() -> None:
    answers = some_answers(50, 3)
    parts = [slicing.Part("column:a", "one", np.array([7])), slicing.Part("class", "all", np.arange(50))]
    one, everything = breakdown.slices(answers, parts, measures.draw(50, 0, 100))
    assert one["few_rows"]
    assert {entry["key"] for entry in one["measures"]} == {
        "accuracy", "macro_f1", "brier", "accuracy_difference"
    }  # fmt: skip
    assert {entry["key"] for entry in everything["measures"]} == {"accuracy", "brier"}


# ------------------------------------------------------------------- worst rows


def test_the_worst_rows_are_the_surest_errors_first() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.4, 0.35, 0.25], [0.01, 0.98, 0.01]])
    truth = np.array([0, 0, 0, 0])
    answers = Answers(CLASSES, truth, probabilities.argmax(axis=1), probabilities)
    found = breakdown.worst_rows(answers, [11, 12, 13, 14])
    assert [entry["row"] for entry in found] == [14, 12, 13]
    assert found[0] == {
        "row": 14, "true_label": "calm", "label": "angry", "true_probability": 0.01, "probability": 0.98
    }  # fmt: skip


# ----------------------------------------------------------------------- judges


def test_a_judge_is_measured_on_the_rows_that_it_labelled() -> None:
    answers = some_answers(40, 5)
    labels: list[object] = [CLASSES[label] for label in answers.truth]
    labels[0], labels[1], labels[2] = None, "", "furious"
    found = breakdown.judge(answers, some_rows(answers, judge_label=labels), METRIC, ReportOptions(), 0)
    assert found is not None
    assert (found["column"], found["rows"], found["unreadable_rows"]) == ("judge_label", 37, 1)
    values = {entry["key"]: entry["value"] for entry in found["measures"]}
    assert values["accuracy"] == values["macro_f1"] == 1.0
    right = int(answers.right[3:].sum())
    assert values["agreement"] == pytest.approx(right / 37)
    assert found["comparison"]["only_first_right"] == 0
    assert found["comparison"]["only_second_right"] == 37 - right


def test_without_a_judges_label_there_is_nothing_to_compare_with() -> None:
    answers = some_answers(40, 5)
    assert breakdown.judge(answers, some_rows(answers), METRIC, ReportOptions(), 0) is None
    named = ReportOptions(judge_column="gpt")
    found = breakdown.judge(answers, some_rows(answers, gpt=["what?"] * 40), METRIC, named, 0)
    assert found == {"column": "gpt", "rows": 0, "unreadable_rows": 40}


# ------------------------------------------------------------------- model card


def test_the_card_shows_leads_and_slices_and_users_values_cannot_break_its_tables() -> None:
    answers = some_answers(60, 5)
    values = ["a | `b`\n# c"] * 30 + ["d"] * 30
    rows = some_rows(answers, team=values, judge_label=["calm"] * 60)
    options = ReportOptions(slice_columns=("team",))
    draws = measures.draw(60, 0, 50)
    report = {
        "slices": breakdown.slices(answers, slicing.parts(rows, METRIC, options), draws),
        "baselines": [],
        "judge": breakdown.judge(answers, rows, METRIC, options, 0),
    }
    _, slices = breakdown_words.slices(report)
    parts = [row[0] for row in slices]
    assert parts == ["`characters`: `0–100`", "`characters`: `101–300`", "`team`: `a / b # c`", "`team`: `d`"]
    assert slices[0][1] == "20 (fewer than 30)"
    _, leads = breakdown_words.leads(report)
    assert [row[0] for row in leads] == ["the judge of `judge_label`"]
