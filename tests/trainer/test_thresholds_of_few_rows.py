"""What is said of a threshold that hardly any held-out row of a kind speaks for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon_trainer.domain import rule_words
from gnomon_trainer.domain.decision_rules import DecisionRule, Labelled, cautions, rule_of
from gnomon_trainer.domain.training import Parameters
from gnomon_trainer.domain.validation_split import LEAST_HELD_OUT_FROM, hold_out
from tests.trainer.fine_tuning import tiny

AIMS = {"best_f1": 0.0, "recall": 0.9, "precision": 0.9}


def _parameters(aim: str) -> Parameters:
    return replace(tiny.PARAMETERS, threshold_aim=aim, threshold_target=AIMS[aim])


def _rule(aim: str, negatives: int, positives: int) -> DecisionRule:
    truth = np.repeat([0, 1], [negatives, positives])
    logits = np.random.default_rng(3).normal(size=(len(truth), 2)) + 3 * np.eye(2)[truth]
    return rule_of(tiny.BOOLEAN, _parameters(aim), Labelled(logits, truth), [])


@pytest.mark.parametrize("aim", AIMS)
def test_where_no_held_out_row_is_positive_it_is_said_that_nothing_was_chosen(aim: str) -> None:
    rule = _rule(aim, 199, 0)
    told = cautions(rule)
    assert len(told) == 1
    assert "No held-out row is of a flagged class" in told[0]
    card = rule_words.threshold(rule.threshold)
    assert "0.5, which was not chosen" in card
    assert "reaches 0.000" not in card


@pytest.mark.parametrize("aim", AIMS)
def test_where_every_held_out_row_is_positive_it_is_said_that_false_alarms_were_not_seen(aim: str) -> None:
    told = cautions(_rule(aim, 0, 60))
    assert len(told) == 1
    assert "No held-out row is of no flagged class" in told[0]


@given(st.sampled_from(list(AIMS)), st.integers(1, 60), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_a_threshold_of_few_rows_of_a_kind_is_called_so(aim: str, negatives: int, positives: int) -> None:
    rule = _rule(aim, negatives, positives)
    few = [entry for entry in cautions(rule) if "rests on only" in entry]
    assert len(few) == (min(negatives, positives) < 20)
    if positives < 20:
        assert f"{positives} held-out row{'s' * (positives > 1)} of a flagged class" in few[0]
    if negatives < 20:
        assert f"{negatives} held-out row{'s' * (negatives > 1)} of none" in few[0]
    of_them = rule_words.threshold(rule.threshold)
    assert f"on {negatives + positives} held-out rows of the training set, {positives} of" in of_them


@pytest.mark.parametrize("aim", AIMS)
def test_many_rows_of_both_kinds_need_no_caution(aim: str) -> None:
    assert cautions(_rule(aim, 200, 100)) == []


@given(st.integers(1, 8), st.integers(0, 9))
@settings(deadline=None)
def test_a_class_has_a_row_held_out_from_the_number_on_that_is_told(rows: int, seed: int) -> None:
    labels = ["true"] * rows + ["false"] * 50
    _, held_out = hold_out(labels, range(len(labels)), 0.2, seed)
    assert any(labels[place] == "true" for place in held_out) == (rows >= LEAST_HELD_OUT_FROM)
