"""New texts for one key: which of all that it ever had are valid, at what time."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.api_keys import new_key, read_key
from gnomon.errors import InvalidRequestError
from gnomon_registry.domain.api_key import MOST_EARLIER, KeyState
from gnomon_registry.domain.api_keys import ApiKeys, Wanted
from tests.registry.fakes import FakeCatalog

DAY = timedelta(days=1)


class Rotated:
    """A key and all its texts, by a clock that the test moves."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        etags = count()
        self.keys = ApiKeys(FakeCatalog(), lambda: self.now, lambda: str(next(etags)), new_key)
        made, text = self.keys.create(Wanted("", ["score"], [], None), "operator", None)
        self.name = made.name
        self.texts = [text]

    def rotate(self, overlap):
        self.texts.append(self.keys.rotate(self.name, overlap, "")[1])

    def found(self, text):
        key = read_key(text)
        return self.keys.verify(key.id, key.secret_sha256)

    def valid(self):
        return [self.found(text).state is KeyState.VALID for text in self.texts]


def test_a_rotation_that_is_repeated_does_not_cut_off_the_text_that_everybody_uses():
    """The answer to the first was lost, so nobody has that text, and the operator runs it again."""
    key = Rotated()
    key.rotate(DAY)
    key.now += timedelta(minutes=1)
    key.rotate(DAY)
    assert key.valid() == [True, True, True]
    key.now += DAY - timedelta(minutes=1)
    assert key.valid() == [False, True, True]
    assert key.found(key.texts[1]).end_time == key.now + timedelta(minutes=1)


def test_a_rotation_without_overlap_ends_every_earlier_text_at_once():
    key = Rotated()
    key.rotate(DAY)
    key.rotate(timedelta(0))
    assert key.valid() == [False, False, True]


seconds = st.integers(0, 20).map(lambda s: timedelta(seconds=s))


@given(st.lists(st.tuples(seconds, seconds), max_size=MOST_EARLIER))
def test_a_text_is_valid_until_the_shortest_overlap_of_those_that_came_after_it_is_over(rotations):
    key, ends = Rotated(), [datetime.max.replace(tzinfo=UTC)]
    for overlap, wait in rotations:
        key.rotate(overlap)
        ends = [min(end, key.now + overlap) for end in ends] + [datetime.max.replace(tzinfo=UTC)]
        assert key.valid() == [key.now < end for end in ends]
        key.now += wait
        assert key.valid() == [key.now < end for end in ends]


def test_so_many_texts_are_valid_beside_the_newest_and_no_more():
    key = Rotated()
    for _ in range(MOST_EARLIER):
        key.rotate(DAY)
    with pytest.raises(InvalidRequestError, match="overlap"):
        key.rotate(DAY)
    assert all(key.valid())
    key.rotate(timedelta(0))
    assert key.valid() == [False] * (MOST_EARLIER + 1) + [True]


def test_what_was_never_a_text_of_the_key_is_unknown_however_many_it_had():
    key = Rotated()
    for _ in range(2):
        key.rotate(DAY)
        for digest in (bytes(32), new_key(key.name.api_key).secret_sha256):
            assert key.keys.verify(key.name.api_key, digest).state is KeyState.UNKNOWN
            assert key.keys.verify("never", digest).state is KeyState.UNKNOWN
