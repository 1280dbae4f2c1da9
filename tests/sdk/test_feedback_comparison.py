"""When a version that learned from feedback counts as better, even or worse."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import _feedback, errors
from gnomon.feedback_comparison import HeldOutRow, Verdict, agreement, compare, paired_change
from gnomon.v1 import resources_pb2 as pb
from gnomon.v1 import trainer_service_pb2 as trainer

counts = st.integers(0, 200)
OLD, NEW = (f"metrics/commitment/versions/{n}" for n in (1, 2))


@given(counts, counts, counts, counts.map(lambda n: n + 1))
def test_an_interval_holds_its_difference_and_changes_its_sign_with_the_order(
    both: int, only_new: int, only_old: int, neither: int
) -> None:
    one = paired_change(both, only_new, only_old, neither)
    other = paired_change(both, only_old, only_new, neither)

    assert one.low - 1e-9 <= one.difference <= one.high + 1e-9
    assert -1 <= one.low <= one.high <= 1
    assert one.difference == pytest.approx(one.new - one.old)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))


def test_two_that_are_always_right_may_differ_by_wilsons_interval_of_one() -> None:
    found = paired_change(43, 0, 0, 0)
    assert (found.low, found.high) == pytest.approx((-0.0820, 0.0820), abs=1e-4)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(0)
    shares = (0.5, 0.2, 0.1, 0.2)
    covered = 0
    for _ in range(1000):
        cells = draw.choices(range(4), shares, k=40)
        change = paired_change(*(cells.count(n) for n in range(4)))
        covered += change.low <= 0.1 <= change.high
    assert 930 <= covered <= 985


def test_few_rows_are_no_proof() -> None:
    assert paired_change(10, 1, 0, 10).verdict is Verdict.EVEN
    assert paired_change(0, 12, 1, 5).verdict is Verdict.BETTER
    assert paired_change(0, 1, 12, 5).verdict is Verdict.WORSE


def rows(right: int, wrong: int, *, confirmed: int = 0, broken: int = 0) -> list[HeldOutRow]:
    """Corrected rows that the new version has right or wrong, and confirmed ones, some of them broken."""
    return (
        [HeldOutRow("true", "false", "false", "true")] * right
        + [HeldOutRow("true", "false", "false", "false")] * wrong
        + [HeldOutRow("true", "true", "true", "true")] * (confirmed - broken)
        + [HeldOutRow("true", "true", "true", "false")] * broken
    )


def compared(low: float, high: float, held_out: list[HeldOutRow]):
    middle = (low + high) / 2
    difference = pb.Measure(key="macro_f1", value=middle, low=low, high=high)
    fall = pb.Measure(key="accuracy", value=-0.05, low=-0.08, high=-0.02)
    rise = pb.Measure(value=0.05, low=0.02, high=0.08)
    flags = [
        trainer.MeasurePair(key="flagged_recall", first=0.9, second=0.85, difference=rise),
        trainer.MeasurePair(key="flagged_false_positive_rate", first=0.1, second=0.05, difference=rise),
    ]
    found = trainer.CompareRunsResponse(
        first_run="projects/p/runs/new",
        second_run="projects/p/runs/old",
        test_set="datasets/test@1",
        measures=[
            trainer.MeasurePair(key="macro_f1", first=0.8 + middle, second=0.8, difference=difference),
            trainer.MeasurePair(key="accuracy", first=0.8, second=0.85, difference=fall),
            *flags,
        ],
        comparison=pb.PairedComparison(rows=200),
        error_kinds=[trainer.ErrorKind(true_label="true", label="false", rows=90, first=4, second=9)],
    )
    origin = pb.FeedbackOrigin(metric_version=OLD, run="projects/p/runs/old", added_rows=7)
    return compare(pb.Run(metric_version=NEW, feedback_origin=origin), found, held_out)


@pytest.mark.parametrize(
    ("low", "high", "held_out", "verdict", "promoted"),
    [
        (-0.01, 0.03, rows(12, 4, confirmed=20), Verdict.BETTER, True),
        (-0.01, 0.03, rows(2, 14, confirmed=20, broken=2), Verdict.EVEN, False),
        (-0.01, 0.03, rows(0, 14, confirmed=20, broken=15), Verdict.WORSE, False),
        (-0.06, -0.01, rows(12, 4, confirmed=20), Verdict.WORSE, False),
        (0.01, 0.06, rows(2, 14), Verdict.BETTER, False),
        (0.01, 0.06, [], Verdict.BETTER, False),
    ],
)
def test_worse_on_either_is_worse_and_only_what_learned_the_corrections_is_promoted(
    low: float, high: float, held_out: list[HeldOutRow], verdict: Verdict, promoted: bool
) -> None:
    found = compared(low, high, held_out)

    assert (found.verdict, found.may_be_promoted) == (verdict, promoted)
    if promoted:
        _feedback.check_promotion(found, None)
        return
    with pytest.raises(errors.VersionNotBetterError) as caught:
        _feedback.check_promotion(found, pb.Alias(name="a", metric_version=OLD))
    assert caught.value.metadata["other"] == OLD
    assert f"{low:+.3f} to {high:+.3f}" in caught.value.metadata["macro_f1"]


def test_the_sentences_tell_the_figures_and_what_else_fell() -> None:
    text = " ".join(compared(-0.01, 0.03, rows(12, 4, confirmed=20, broken=1)).sentences())

    assert "versions/2 is better than metrics/commitment/versions/1" in text
    assert "accuracy clearly fell: 0.850 → 0.800, -0.050 (-0.080 to -0.020)" in text
    assert "flagged_false_positive_rate clearly rose: 0.050 → 0.100, +0.050 (+0.020 to +0.080)" in text
    assert "flagged_recall" not in text
    assert "12 were put right, 1 went wrong" in text
    assert "Of 16 that people corrected, 12 are right." in text
    assert "Of 20 that people confirmed, 1 are wrong." in text


def test_rows_that_were_all_chosen_for_being_wrong_are_called_so() -> None:
    assert "record confirmed scores as well" in compared(-0.01, 0.03, rows(12, 4)).sentences()[-1]
    assert "No feedback was held out" in compared(-0.01, 0.03, []).sentences()[-1]


def test_an_alias_that_points_elsewhere_meanwhile_is_not_moved() -> None:
    found = compared(-0.01, 0.03, rows(12, 4))
    elsewhere = pb.Alias(name="metrics/commitment/aliases/production", metric_version=OLD[:-1] + "9")
    with pytest.raises(errors.EtagMismatchError, match="versions/9"):
        _feedback.check_promotion(found, elsewhere)


def test_agreement_without_rows_is_none() -> None:
    assert agreement([]) is None


@pytest.mark.parametrize("run", [pb.Run(metric_version=NEW), pb.Run(feedback_origin=pb.FeedbackOrigin())])
def test_only_a_run_that_learned_from_feedback_and_has_a_version_is_compared(run: pb.Run) -> None:
    with pytest.raises(errors.RunStateError):
        _feedback.origin_of(run)
