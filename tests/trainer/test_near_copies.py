"""Rows of a guarantee that are one text with another word in it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon_trainer.domain import near_copies
from gnomon_trainer.domain.near_copies import caution
from gnomon_trainer.domain.set_aside import set_aside
from tests.trainer.things import PARAMETERS

GUARANTEED = replace(PARAMETERS, threshold_aim="false_positive_rate", threshold_target=0.05)
WORDS = [f"word{letter}{other}" for letter in "abcdefghijklmnop" for other in "abcdefghijklmnop"]


def _various(rows: int, seed: int = 0) -> list[str]:
    drawn = random.Random(seed)
    return [" ".join(drawn.sample(WORDS, 12)) for _ in range(rows)]


def _told(negatives: Sequence[str], positives: Sequence[str]) -> str | None:
    texts = [*negatives, *positives]
    labels = ["false"] * len(negatives) + ["true"] * len(positives)
    found = set_aside(labels, texts, texts, ("true",), GUARANTEED, training_set="datasets/t@1")
    assert found is not None
    return caution(found, texts, labels, ("true",), GUARANTEED, pause=lambda: None)


def _order(place: int) -> str:
    return f"order 47{place:03d} of the customer has not arrived on day {place % 31}"


def _person(place: int) -> str:
    return f"the parcel for {WORDS[place]} was left with a neighbour this morning"


@pytest.mark.parametrize("form", [_order, _person])
def test_a_guarantee_on_one_text_with_another_number_or_word_is_told(form: Callable[[int], str]) -> None:
    told = _told([form(place) for place in range(150)], _various(150))
    assert told is not None
    assert "Of the 45 rows of no flagged class that the guarantee counts, 45 differ" in told


@given(st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_rows_that_differ_need_no_caution_whatever_those_of_the_other_kind_are_like(seed: int) -> None:
    assert _told(_various(150, seed), [_order(place) for place in range(150)]) is None


def test_some_copies_beside_rows_enough_need_no_caution() -> None:
    assert _told([*_various(300), *(_order(place) for place in range(100))], _various(100, 1)) is None


def test_short_texts_that_are_a_word_apart_are_no_copies() -> None:
    short = [f"{WORDS[place % 15]} {WORDS[place // 15]} please" for place in range(150)]
    assert _told(short, _various(150)) is None


def test_copies_of_rows_that_are_learned_from_count_as_copies_too() -> None:
    pairs = [text + end for text in _various(60) for end in (" today", " tomorrow")]
    told = _told(pairs, _various(150, 1))
    assert told is not None
    assert "in one word or in numbers alone" in told


@pytest.mark.parametrize("length", [9, 40])
def test_equal_texts_are_not_each_others_copies(length: int) -> None:
    drawn = random.Random(5)
    texts = [" ".join(drawn.choices(WORDS, k=length)) for _ in range(150)]
    assert _told([*texts, *texts[:20]], _various(100, 1)) is None


def test_where_there_are_too_many_words_to_look_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "_MOST_WORDS", 299 * 12)
    told = _told(_various(150), _various(150, 1))
    assert told is not None
    assert "more than 3,588 words" in told
