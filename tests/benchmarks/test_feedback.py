"""What the benchmark of feedback chooses and says."""

from benchmarks.feedback import commonest_error, section, targets

from gnomon.feedback_comparison import Change, ErrorKind, FeedbackComparison
from gnomon.v1 import resources_pb2 as pb


def compared(*, old: int, new: int, difference: float) -> FeedbackComparison:
    return FeedbackComparison(
        old_version="metrics/m/versions/1",
        new_version="metrics/m/versions/2",
        old_run="a",
        new_run="b",
        test_set="datasets/test@1",
        test_rows=100,
        test=Change(0.8, 0.8 + difference, difference, difference - 0.01, difference + 0.01),
        test_worse=(),
        feedback=None,
        corrected=None,
        confirmed=None,
        error_kinds=(ErrorKind("a", "b", 40, old, new, 0.01),),
        added_rows=3,
        relabelled_rows=0,
    )


def test_the_commonest_kind_of_error_is_the_one_that_is_corrected() -> None:
    said = [("a", "a"), ("a", "a"), ("a", "a"), ("a", "b"), ("b", "a"), ("a", "b")]
    scored = [({"label": right}, pb.Score(label=given)) for right, given in said]
    assert commonest_error(scored) == ("a", "b")


def test_each_target_is_met_or_missed_by_its_own_figure() -> None:
    kind = ("a", "b")
    assert list(targets(compared(old=9, new=5, difference=0.005), kind).values()) == [True, True, True]
    assert list(targets(compared(old=5, new=5, difference=-0.005), kind).values()) == [False, False, True]
    assert list(targets(compared(old=9, new=5, difference=-0.02), kind).values()) == [True, False, False]


def test_the_section_tells_the_figures_and_what_was_missed() -> None:
    found = compared(old=9, new=5, difference=-0.02)
    kind = {"true_label": "a", "label": "b", "rows": 40, "old": 9, "new": 5, "mcnemar_p": 0.01}
    figures = {
        "date": "2026-11-22",
        "commit": "abc",
        "machine": "2 cores",
        "parameters": {"epochs": 2},
        "rows": {"training": 800, "live": 3000, "test": 1000},
        "live_errors": 400,
        "corrected": 100,
        "confirmed": 100,
        "targets": targets(found, ("a", "b")),
        "sentences": found.sentences(),
        "corrected_kind": kind,
    }
    text = section(figures)

    assert "`a` taken for `b`, of 40 such test rows: 9 by version 1, 5 by version 2" in text
    assert "with 2 epochs" in text
    assert text.count("**missed**") == 2
