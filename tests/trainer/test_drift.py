"""What the probe of drift says of texts that are alike, and of texts that are not."""

import random

import numpy as np
import pytest

from gnomon.errors import InternalError
from gnomon_trainer.adapters.drift_probe import ProcessDriftProbe
from gnomon_trainer.adapters.drift_probing import apart, drift, halves, spread
from tests.trainer.fake_writer import text_of

_PLAIN = [text_of(number) for number in range(120)]


@pytest.mark.slow
def test_texts_of_one_source_are_not_told_apart_and_those_of_two_are() -> None:
    same = drift(_PLAIN[:60], _PLAIN[60:], "")
    other = drift([f"dear customer, {text}" for text in _PLAIN[:60]], _PLAIN[60:], "")

    assert same["auroc"] is not None
    assert other["auroc"] is not None
    assert 0.3 < same["auroc"] < 0.7
    assert other["auroc"] > 0.95
    assert other.keys() == {"auroc"}  # without a base model


def test_too_few_texts_are_not_told_apart() -> None:
    assert drift(_PLAIN[:100], _PLAIN[100:109], "") == {"auroc": None}
    assert drift([], [], "") == {"auroc": None}


def test_distances_of_vectors_are_those_of_the_formula() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(20, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - float(vectors[i] @ vectors[j]) for i in range(20) for j in range(i)]

    assert spread(vectors) == pytest.approx(np.mean(pairs), abs=1e-5)
    assert apart(vectors, vectors) == pytest.approx(0, abs=1e-6)
    assert apart(vectors, -vectors) == pytest.approx(2, abs=1e-5)
    assert spread(vectors[:1]) is halves(vectors[:1]) is None
    alike = np.ones((10, 4), dtype=np.float32) / 2
    assert halves(alike) == pytest.approx(0, abs=1e-6)


async def test_a_probe_that_dies_is_an_error() -> None:
    probe = ProcessDriftProbe(None, ("false",))

    with pytest.raises(InternalError, match="probe of drift"):
        await probe.drift(random.Random(0).sample(_PLAIN, 3), [])
