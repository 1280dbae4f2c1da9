"""Rows that the training set shares with the test set, and rows of one set that contradict each other."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.instances import text_span
from gnomon_trainer.adapters.minhash import MinHashNeighbours
from gnomon_trainer.domain.label_checks import near_conflicts
from gnomon_trainer.domain.nearness import Nearness
from gnomon_trainer.domain.overlap import overlap
from gnomon_trainer.domain.training import Row
from tests.trainer.things import TOXICITY

WORDS = [f"{start}{middle}{end}" for start in "bdfglmnprst" for middle in "aeiou" for end in "bdklmnrst"]
Texts = Sequence[str]


def texts_of(count: int, words: int, seed: int = 0) -> list[str]:
    chooser = random.Random(seed)
    return [" ".join(chooser.choices(WORDS, k=words)) for _ in range(count)]


def rows_of(texts: Texts, label: str = "true") -> list[Row]:
    return [Row(n, text_span(input="q", output=text), label) for n, text in enumerate(texts, 1)]


def near_of(training: Texts, test: Texts) -> dict[int, int]:
    return overlap(rows_of(training), rows_of(test), TOXICITY, MinHashNeighbours()).near


def one_word_changed(text: str, chooser: random.Random) -> str:
    words = text.split()
    place = chooser.randrange(len(words))
    change = chooser.choice(["replace", "add", "remove"])
    words[place : place + (change != "add")] = [] if change == "remove" else [chooser.choice(WORDS)]
    return " ".join(words)


def test_overlap_tells_exact_from_normalised_and_names_conflicts() -> None:
    test = [
        Row(1, text_span(input="q", output="one"), "true"),
        Row(7, text_span(input="q", output="two"), "true"),
    ]
    training = [
        Row(1, text_span(input="q", output="one"), "true"),
        Row(2, text_span(input="q", output="ONE!"), "true"),
        Row(3, text_span(input="q", output="two"), "false"),
        Row(4, text_span(input="q", output="three"), "true"),
    ]

    found = overlap(training, test, TOXICITY, None)

    assert (found.exact, found.normalised, found.near) == ({1: 1, 3: 7}, {2: 1}, {})
    assert found.conflicting == {3: 7}
    assert found.rows == {1, 2, 3}


@pytest.mark.parametrize("words", [8, 12, 60, 800])
def test_rows_that_differ_in_one_word_are_found_and_others_are_not(words: int) -> None:
    test = texts_of(100, words)
    chooser = random.Random(1)
    copied = {place: one_word_changed(test[place], chooser) for place in range(0, 100, 5)}
    training = [*texts_of(200, words, seed=2), *copied.values()]

    found = near_of(training, test)

    planted = {201 + n: place + 1 for n, place in enumerate(copied)}
    assert found.items() <= planted.items()
    assert len(found) >= 0.9 * len(planted)


def test_more_than_a_word_may_differ_in_a_long_text() -> None:
    (long,) = texts_of(1, 200)
    words = long.split()
    few = " ".join("tinge" if n % 25 == 0 else word for n, word in enumerate(words))
    many = " ".join("tinge" if n % 10 == 0 else word for n, word in enumerate(words))

    assert near_of([few, many, *texts_of(50, 200, seed=3)], [long]) == {1: 1}


def test_the_label_decides_whether_a_near_row_is_a_copy() -> None:
    (text,) = texts_of(1, 12)
    changed = one_word_changed(text, random.Random(0))

    found = overlap(rows_of([changed], "false"), rows_of([text]), TOXICITY, MinHashNeighbours())

    assert found.rows == frozenset()


def test_what_stands_around_every_text_makes_none_of_them_near() -> None:
    prompt = " ".join(texts_of(1, 60)[0].split())
    training = [f"{prompt} question {n} answer {n}" for n in range(300)]
    test = [f"{prompt} question {n} answer {n}" for n in range(1000, 1100)]

    assert near_of(training, test) == {}


def test_what_everybody_says_makes_two_short_texts_not_near() -> None:
    common = [f"how do i {word}" for word in WORDS]

    assert near_of(common[:300], common[300:]) == {}


def test_texts_without_spaces_have_words_too() -> None:
    text = "犬も歩けば棒に当たるという昔の言葉を思い出す"
    nearness = Nearness([text, "別の文章です", "何か他の話をしよう", *texts_of(1000, 8)])

    assert nearness.near(text, text.replace("犬", "猫"))
    assert not nearness.near(text, "犬も歩けば棒に当たる")


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_nearness_is_mutual_and_one_word_is_always_little(words: list[str], chooser: random.Random) -> None:
    text = " ".join(words)
    changed = one_word_changed(text, chooser)
    nearness = Nearness([text, changed, *texts_of(500, 8)])

    assert nearness.near(text, changed) == nearness.near(changed, text)
    if len(words) >= 8:
        assert nearness.near(text, changed)


@given(st.lists(st.text(max_size=30), max_size=8), st.lists(st.text(max_size=30), max_size=8))
def test_any_texts_can_be_compared(known: list[str], asked: list[str]) -> None:
    pairs = list(MinHashNeighbours().candidates(known, asked))

    assert pairs == list(MinHashNeighbours().candidates(known, asked))
    assert all(k < len(known) and a < len(asked) for k, a in pairs)


def test_rows_of_a_set_that_are_near_and_labelled_otherwise_are_named() -> None:
    texts = texts_of(100, 10)
    texts[40] = one_word_changed(texts[10], random.Random(3))
    texts[50] = one_word_changed(texts[20], random.Random(4))
    labels = ["true"] * 100
    labels[40] = "false"

    (found,) = near_conflicts(texts, labels, MinHashNeighbours(), lambda: None)

    assert (found.code, found.rows, found.matches) == ("NEAR_CONFLICTING_LABELS", (41,), (11,))
