"""Rows that only a guarantee may look at."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import DatasetTooSmallError, InvalidRequestError
from gnomon.instances import text_span
from gnomon_trainer.domain.aims import check_aim
from gnomon_trainer.domain.division import check_division
from gnomon_trainer.domain.set_aside import NEGATIVES, POSITIVES, SetAside, needed, set_aside
from gnomon_trainer.domain.training import Row
from tests.trainer.things import PARAMETERS, TOXICITY

GUARANTEED = replace(PARAMETERS, threshold_aim="false_positive_rate", threshold_target=0.05)
UNSURE = replace(PARAMETERS, abstain_error_rate=0.1)


def _labels(negatives: int, positives: int) -> list[str]:
    return ["false"] * negatives + ["true"] * positives


def test_a_run_that_guarantees_nothing_sets_nothing_aside() -> None:
    labels = _labels(100, 100)
    assert needed(PARAMETERS) is None
    assert (
        set_aside(labels, range(200), range(200), ("true",), PARAMETERS, training_set="datasets/train@1")
        is None
    )


@given(st.integers(90, 400), st.integers(4, 100), st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_as_many_rows_are_set_aside_as_the_guarantee_needs_and_at_most_half(
    negatives: int, positives: int, seed: int
) -> None:
    labels = _labels(negatives, positives)
    found = set_aside(
        labels,
        range(len(labels)),
        range(len(labels)),
        ("true",),
        replace(GUARANTEED, seed=seed),
        training_set="datasets/t@1",
    )
    assert found is not None
    assert found.rows == found.counted == sorted(set(found.rows))
    aside = sum(labels[place] == "false" for place in found.rows)
    assert max(45, round(0.2 * negatives)) <= aside <= round(negatives / 2)
    assert found == set_aside(
        labels,
        range(len(labels)),
        range(len(labels)),
        ("true",),
        replace(GUARANTEED, seed=seed),
        training_set="datasets/t@1",
    )


def test_too_few_negatives_are_refused_with_the_number_that_is_needed() -> None:
    labels = _labels(89, 500)
    with pytest.raises(DatasetTooSmallError, match="needs 45 rows of no flagged class") as caught:
        set_aside(
            labels,
            range(len(labels)),
            range(len(labels)),
            ("true",),
            GUARANTEED,
            training_set="datasets/train@1",
        )
    assert caught.value.metadata == {
        "resource": "datasets/train@1",
        "row_count": "89",
        "required_row_count": "90",
        "set_aside_row_count": "45",
    }


@given(st.integers(1, 3), st.integers(0, 100))
@settings(deadline=None, max_examples=20)
def test_rows_of_classes_too_rare_to_be_set_aside_are_not_counted_as_there(each: int, common: int) -> None:
    rare = [f"rare{place % 100}" for place in range(100 * each)]
    labels = [*rare, *["common"] * (0 if common < 4 else min(common, 89)), *["true"] * 50]
    with pytest.raises(DatasetTooSmallError, match="in classes of at least 4 rows") as caught:
        set_aside(
            labels, range(len(labels)), range(len(labels)), ("true",), GUARANTEED, training_set="datasets/t@1"
        )
    there = labels.count("common")
    assert f"needs 90 such rows with different texts, and it has {there}" in caught.value.message
    assert caught.value.metadata["row_count"] == str(there)
    assert caught.value.metadata["required_row_count"] == "90"

    enough = [*labels, *["common"] * (90 - there)]
    assert set_aside(
        enough, range(len(enough)), range(len(enough)), ("true",), GUARANTEED, training_set="datasets/t@1"
    )


def test_copies_of_a_text_count_once_and_stay_together() -> None:
    labels = _labels(120, 200)
    keys = [place % 12 if label == "false" else place for place, label in enumerate(labels)]
    with pytest.raises(DatasetTooSmallError, match="it has 12"):
        set_aside(labels, keys, keys, ("true",), GUARANTEED, training_set="datasets/train@1")

    pairs = [place // 2 for place in range(len(labels))]
    found = set_aside(
        labels,
        pairs,
        pairs,
        ("true",),
        replace(GUARANTEED, threshold_target=0.2),
        training_set="datasets/t@1",
    )
    assert found is not None
    assert len(found.rows) == 2 * len(found.counted)
    assert {pairs[place] for place in found.rows} == {pairs[place] for place in found.counted}


def test_abstaining_needs_rows_of_both_kinds_for_half_of_the_risk() -> None:
    wanted = needed(UNSURE)
    assert wanted is not None
    assert wanted.rows == {NEGATIVES: 29, POSITIVES: 29}  # (1 - 0.1)^29 < 0.05
    with pytest.raises(DatasetTooSmallError, match="29 rows of a flagged class"):
        set_aside(
            _labels(300, 40), range(340), range(340), ("true",), UNSURE, training_set="datasets/train@1"
        )


@pytest.mark.parametrize(
    ("changes", "flags", "said"),
    [
        ({"threshold_aim": "recall", "threshold_target": 0.9}, False, "flags no class"),
        ({"abstain_error_rate": 0.1}, False, "flagged class"),
        ({"threshold_target": 0.9}, True, "has no target"),
        ({"threshold_aim": "precision"}, True, "must be set for precision"),
        ({"threshold_aim": "false_positive_rate", "threshold_target": 0.6}, True, "0.5"),
    ],
)
def test_an_aim_that_fits_neither_target_nor_metric_is_refused(
    changes: dict[str, float | str], flags: bool, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        check_aim(replace(PARAMETERS, **changes), flags=flags)  # type: ignore[arg-type]


def test_aims_that_fit_pass() -> None:
    check_aim(PARAMETERS, flags=False)
    check_aim(GUARANTEED, flags=True)
    check_aim(replace(PARAMETERS, threshold_aim="recall", threshold_target=1.0), flags=True)


def _about_documents(documents: int, each: int) -> tuple[list[str], list[int]]:
    """Rows of which one in three is flagged, judged against a document that others are judged against too."""
    places = range(documents * each)
    return ["true" if place % 3 == 0 else "false" for place in places], [place // each for place in places]


@pytest.mark.parametrize(("documents", "each"), [(32, 30), (12, 40)])
def test_rows_set_aside_are_about_other_documents_than_all_others(documents: int, each: int) -> None:
    labels, contexts = _about_documents(documents, each)
    found = set_aside(
        labels, range(len(labels)), contexts, ("true",), GUARANTEED, training_set="datasets/train@1"
    )
    assert found is not None
    assert found.are_apart
    others = set(range(len(labels))) - set(found.rows)
    assert {contexts[place] for place in found.rows}.isdisjoint(contexts[place] for place in others)


def test_where_documents_are_too_few_to_keep_apart_rows_are_set_aside_all_the_same_and_it_is_said() -> None:
    labels, contexts = _about_documents(4, 60)
    found = set_aside(labels, range(240), contexts, ("true",), GUARANTEED, training_set="datasets/train@1")
    plain = set_aside(labels, range(240), range(240), ("true",), GUARANTEED, training_set="datasets/train@1")
    assert found is not None
    assert plain is not None
    assert (found.are_apart, plain.are_apart) == (False, True)
    assert found.rows == plain.rows


def test_a_run_is_checked_with_the_rows_that_its_training_sets_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, contexts = _about_documents(32, 30)
    seen: list[object] = []

    def noted(*arguments: Any, **named: Any) -> SetAside | None:
        seen.append(set_aside(*arguments, **named))
        return None

    monkeypatch.setattr("gnomon_trainer.domain.division.set_aside", noted)
    rows = [
        Row(place + 1, text_span(input=f"Document {contexts[place]}", output=f"answer {place}"), label)
        for place, label in enumerate(labels)
    ]
    check_division(rows, TOXICITY, GUARANTEED, "datasets/train@1")
    assert seen == [
        set_aside(labels, range(960), contexts, ("true",), GUARANTEED, training_set="datasets/train@1")
    ]
