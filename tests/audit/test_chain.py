"""The chain, without any service: what is proved of it, and what is found."""

import dataclasses
import hashlib
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.audit import FIRST_PREVIOUS, Head, Record, canonical, chained, hash_of, verify
from tests.audit.things import START, chain, record


def test_the_canonical_form_is_the_one_that_is_documented():
    made = record(
        3, caller="apiKeys/abc", project="support", begun=2, outcome="OK", time=START, resource="metrics/ü"
    )

    assert canonical(7, made) == (
        b'{"begun":2,"call_id":"call-3","caller":"apiKeys/abc","count":1,'
        b'"method":"gnomon.v1.RegistryService/CreateMetric","number":7,"outcome":"OK","project":"support",'
        b'"reason":"","resource":"metrics/\\u00fc","time":"2026-11-22T11:04:27.000105Z"}'
    )
    assert hash_of(FIRST_PREVIOUS, 7, made) == hashlib.sha256(bytes(32) + canonical(7, made)).digest()


def test_a_time_is_the_same_instant_in_every_zone():
    there = START.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert canonical(1, record(time=there)) == canonical(1, record(time=START))
    with pytest.raises(ValueError, match="zone"):
        record(time=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_whole_chain_is_verified_with_its_count_and_head():
    entries = chain(5)

    verdict = verify(entries)

    assert verdict.problem is None
    assert (verdict.count, verdict.head) == (5, Head(5, entries[-1].hash))
    assert verify([]).head == Head()


def test_calls_without_an_outcome_are_told():
    begun = [record(0), record(1), record(2)]
    outcomes = [record(3, begun=2, outcome="OK"), record(4, outcome="PERMISSION_DENIED")]

    assert verify(chained(Head(), begun + outcomes)).unfinished == (1, 3)


@pytest.mark.parametrize("position", [0, 4, 9])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Record)])
def test_an_entry_that_was_changed_is_found_with_its_number(position, field):
    entries = chain(10)
    old = entries[position]
    value = getattr(old.record, field)
    new = (
        value + "x"
        if isinstance(value, str)
        else value + 1
        if isinstance(value, int)
        else START.replace(year=2001)
    )
    entries[position] = dataclasses.replace(old, record=dataclasses.replace(old.record, **{field: new}))

    problem = verify(entries).problem

    assert problem is not None
    assert problem.number == position + 1
    assert "changed" in problem.description


def test_an_entry_that_was_changed_with_its_hash_is_found_by_the_one_after_it():
    entries = chain(10)
    other = next(chained(Head(3, entries[2].hash), [record(77)]))
    entries[3] = other

    problem = verify(entries).problem

    assert problem is not None
    assert problem.number == 5
    assert "does not follow" in problem.description


@pytest.mark.parametrize("position", [0, 4, 8])
def test_an_entry_that_was_removed_is_found_with_its_number(position):
    entries = chain(10)
    del entries[position]

    assert verify(entries).problem.number == position + 1


def test_an_entry_that_was_inserted_is_found():
    entries = chain(10)
    entries.insert(5, next(chained(Head(5, entries[4].hash), [record(77)])))

    assert verify(entries).problem.number == 6


def test_entries_that_were_swapped_are_found():
    entries = chain(10)
    third, fifth = entries[2], entries[4]
    entries[2] = dataclasses.replace(third, record=fifth.record)
    entries[4] = dataclasses.replace(fifth, record=third.record)
    moved = chain(10)
    moved[2], moved[4] = moved[4], moved[2]

    assert verify(entries).problem.number == 3
    assert verify(moved).problem.number == 3


def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_noted():
    entries = chain(10)
    noted = Head(10, entries[-1].hash)

    assert verify(entries[:7]).problem is None
    problem = verify(entries[:7], noted).problem
    assert problem is not None
    assert problem.number == 8
    assert verify(entries, noted).problem is None


def test_a_past_that_was_written_anew_is_found_by_a_head_that_was_noted():
    noted = Head(4, chain(10)[3].hash)
    anew = list(chained(Head(), [record(i, caller="someone") for i in range(12)]))

    assert verify(anew).problem is None
    problem = verify(anew, noted).problem
    assert problem is not None
    assert problem.number == 4


def test_a_log_that_grew_still_has_the_head_that_was_noted():
    entries = chain(12)

    assert verify(entries, Head(4, entries[3].hash)).problem is None
    assert verify(entries, Head()).problem is None


def test_a_head_is_read_as_it_is_written():
    head = Head(12, chain(1)[0].hash)

    assert Head.parse(f" {head}\n") == head
    for wrong in ("", "12", "12:ab", "-1:" + "0" * 64, "x:" + "0" * 64):
        with pytest.raises(ValueError, match="NUMBER:HASH"):
            Head.parse(wrong)


TEXTS = st.text(max_size=5)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=6), st.data())
def test_no_two_logs_have_one_head(pairs, data):
    records = [record(i, caller=caller, resource=resource) for i, (caller, resource) in enumerate(pairs)]
    position = data.draw(st.integers(0, len(records) - 1))
    field = data.draw(st.sampled_from(["caller", "resource", "project"]))
    other = list(records)
    other[position] = dataclasses.replace(
        other[position],
        **{field: getattr(other[position], field) + data.draw(st.text(min_size=1, max_size=3))},
    )

    assert list(chained(Head(), records))[-1].hash != list(chained(Head(), other))[-1].hash
