import itertools
import json
from collections import Counter

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from gnomon.examples import list_examples, load

LEAST_ROWS = {"commitment": 500, "message-intent": 400}


def rows_of(part):
    return [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]


def text_of(row):
    return "\n".join(filter(None, (row["input"], row.get("output"))))


def shingles(text, size=5):
    words = text.casefold().split()
    return {tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))}


def test_the_examples_are_those_that_the_product_promises():
    assert [example.name for example in list_examples()] == sorted(LEAST_ROWS)


@pytest.mark.parametrize("name", LEAST_ROWS)
def test_an_example_is_large_enough_and_its_labels_are_declared(name):
    example = load(name)
    train, test = rows_of(example.training_set), rows_of(example.test_set)
    declared = {entry["label"] for entry in example.metric["classes"]}
    counts = Counter(str(row["label"]).lower() for row in train + test)

    assert len(train) + len(test) >= LEAST_ROWS[name]
    assert len(train) >= 256
    assert len(test) >= 150
    assert set(counts) == declared
    assert min(counts.values()) / max(counts.values()) > 0.75


@pytest.mark.parametrize("name", LEAST_ROWS)
def test_hardly_any_row_of_an_example_is_nearly_another(name):
    example = load(name)
    texts = [shingles(text_of(row)) for row in rows_of(example.training_set) + rows_of(example.test_set)]
    near = {
        index
        for pair in itertools.combinations(range(len(texts)), 2)
        for one, two in [(texts[pair[0]], texts[pair[1]])]
        if 2 * len(one & two) > len(one | two)
        for index in pair
    }

    assert len(near) / len(texts) < 0.05


@pytest.mark.parametrize("name", LEAST_ROWS)
def test_keywords_do_not_solve_an_example(name):
    example = load(name)
    train, test = rows_of(example.training_set), rows_of(example.test_set)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    model.fit([text_of(row) for row in train], [str(row["label"]) for row in train])
    guesses = model.predict([text_of(row) for row in test])

    assert f1_score([str(row["label"]) for row in test], guesses, average="macro") < 0.85
