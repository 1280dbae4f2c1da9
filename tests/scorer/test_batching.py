"""The pure decision: what runs next, and together."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gnomon.tokens import Tokens
from gnomon_scorer.domain.batching import PATIENCE_S, Entry, Waiting
from gnomon_scorer.domain.fairness import MOST_CALLERS
from gnomon_scorer.domain.lanes import Lane
from gnomon_scorer.domain.ports import BatchLimits


class Version:
    def __init__(self, **limits):
        self.limits = BatchLimits(**({"max_padded_tokens": 16, "max_instances": 5, "min_fill": 0.0} | limits))


def entry(version, length, arrived=0.0, deadline=None, lane=Lane.ONLINE, caller=""):
    return Entry(version, Tokens([1] * length, [0] * length), arrived, deadline, lane, caller)


def waiting(*entries, turn_tokens=4096):
    queue = Waiting(turn_tokens)
    for one in entries:
        queue.add(one)
    return queue


def lengths(batch):
    return sorted(len(one.tokens) for one in batch.entries)


@pytest.mark.parametrize(
    ("queue", "want"),
    [
        ((4, 4, 4), [4, 4, 4]),
        ((4, 4, 9), [4, 4]),
        ((20,), [20]),
        ((20, 3), [20]),
        ((3, 20), [3]),
        ((1,) * 9, [1] * 5),
        ((5, 1, 4, 6), [1, 4, 5]),  # a 6 would make the padded batch 18
    ],
)
def test_a_batch_is_what_comes_first_and_those_nearest_in_length_that_fit(queue, want):
    version = Version()

    assert lengths(waiting(*(entry(version, length) for length in queue)).take_batch(0)) == want


def test_lengths_that_would_mostly_be_padding_do_not_share_a_batch():
    version = Version(max_padded_tokens=1000, min_fill=0.8)

    assert lengths(waiting(*(entry(version, n) for n in (10, 9, 1, 2))).take_batch(0)) == [9, 10]


def test_one_text_a_call_where_the_backend_wants_it():
    version = Version(max_instances=1)

    assert lengths(waiting(entry(version, 2), entry(version, 2)).take_batch(0)) == [2]


def test_versions_do_not_share_a_batch():
    a, b = Version(), Version()
    queue = waiting(entry(a, 3), entry(b, 3), entry(a, 3))

    assert {one.version for one in queue.take_batch(0).entries} == {a}
    assert {one.version for one in queue.take_batch(0).entries} == {b}
    assert not len(queue)


def test_the_earliest_deadline_goes_first():
    version = Version(max_instances=1)
    late, soon = entry(version, 1, deadline=1.5), entry(version, 1, deadline=0.5)
    queue = waiting(late, soon)

    assert queue.take_batch(0).entries == [soon]


def test_without_deadlines_who_came_first_goes_first():
    version = Version(max_instances=1)
    first, second = entry(version, 1, arrived=0.0), entry(version, 1, arrived=0.1)

    assert waiting(first, second).take_batch(0.2).entries == [first]


def test_who_waited_long_goes_before_a_newcomer_in_a_hurry():
    version = Version(max_instances=1)
    patient = entry(version, 1, arrived=0.0)
    hurried = entry(version, 1, arrived=1.9, deadline=2.5)

    assert waiting(patient, hurried).take_batch(1.9).entries == [patient]


def test_what_is_past_its_deadline_is_told_and_not_run():
    version = Version()
    late = entry(version, 1, deadline=1.0)
    queue = waiting(late, entry(version, 1, deadline=3.0))

    batch = queue.take_batch(2.0)

    assert batch.late == [late]
    assert len(batch.entries) == 1


lengths_of_entries = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 40), st.one_of(st.none(), st.floats(0.0, 20.0))),
    max_size=40,
)


@given(lengths_of_entries, st.sets(st.integers(0, 39)))
@settings(max_examples=200, deadline=None)
def test_every_entry_leaves_once_the_budget_is_kept_and_the_removed_never_run(described, removed):
    versions = [Version(), Version(max_padded_tokens=50, min_fill=0.8), Version(max_instances=1)]
    entries = [entry(versions[v], n, arrived=i * 0.1, deadline=d) for i, (v, n, d) in enumerate(described)]
    queue = waiting(*entries)
    gone = [one for i, one in enumerate(entries) if i in removed]
    for one in gone:
        queue.remove(one)
        queue.remove(one)

    left, now = [], 0.0
    while len(queue):
        batch = queue.take_batch(now)
        left += batch.entries + batch.late
        now += 0.5
        if batch.entries:
            limits = batch.entries[0].version.limits
            sizes = [len(one.tokens) for one in batch.entries]
            assert len({one.version for one in batch.entries}) == 1
            assert len(sizes) <= limits.max_instances
            assert len(sizes) == 1 or max(sizes) * len(sizes) <= limits.max_padded_tokens
            assert sum(sizes) >= limits.min_fill * max(sizes) * len(sizes) or len(sizes) == 1

    assert len(left) == len(set(map(id, left))) == len(entries) - len(gone)
    assert not set(map(id, left)) & set(map(id, gone))
    assert queue.tokens == 0


@pytest.mark.parametrize("lane", [Lane.ONLINE, Lane.BULK])
def test_who_checks_an_answer_before_it_is_shown_goes_first(lane):
    version = Version(max_instances=1)
    other = entry(version, 1, arrived=0.0, lane=lane)
    urgent = entry(version, 1, arrived=0.5, lane=Lane.GUARDRAIL)

    assert waiting(other, urgent).take_batch(0.5).entries == [urgent]


def test_who_is_in_a_hurry_is_not_held_up_by_those_who_are_not():
    version = Version(max_padded_tokens=100)
    queue = waiting(*(entry(version, 4, lane=lane) for lane in (Lane.ONLINE, Lane.GUARDRAIL, Lane.ONLINE)))

    assert [one.lane for one in queue.take_batch(0).entries] == [Lane.GUARDRAIL]
    assert [one.lane for one in queue.take_batch(0).entries] == [Lane.ONLINE, Lane.ONLINE]


def test_what_is_urgent_rides_along_with_what_is_not():
    version = Version(max_padded_tokens=100)
    old = entry(version, 4, arrived=-10.0)
    new = entry(version, 4, arrived=0.0, lane=Lane.GUARDRAIL)

    assert set(waiting(old, new).take_batch(0).entries) == {old, new}


def test_what_cannot_be_ready_in_time_is_late_already():
    version = Version()
    hopeless, fine = entry(version, 10, deadline=0.5), entry(version, 10, deadline=2.0)

    batch = waiting(hopeless, fine).take_batch(0.0, 1, lambda _: 10)

    assert (batch.late, batch.entries) == ([hopeless], [fine])


def test_an_idle_machine_tries_what_it_is_not_known_to_be_too_slow_for():
    hurried = entry(Version(), 10, deadline=0.5)

    assert waiting(hurried).take_batch(0.0, None, lambda _: 10).entries == [hurried]


def test_only_what_is_as_urgent_counts_as_ahead_of_a_guardrail_call():
    queue = waiting(entry(Version(), 10), entry(Version(), 3, lane=Lane.GUARDRAIL, caller="a"))

    assert queue.tokens_before(Lane.GUARDRAIL) == {"a": 3}
    assert queue.tokens_before(Lane.ONLINE) == {"": 10, "a": 3}
    queue.take_batch(0)
    assert queue.tokens_before(Lane.GUARDRAIL) == {}


def test_many_callers_with_names_of_their_own_count_as_one():
    queue = waiting(*(entry(Version(), 1, caller=str(n)) for n in range(MOST_CALLERS)))

    assert queue.known("another") == ""
    assert queue.known("0") == "0"


def test_a_caller_who_leaves_and_comes_back_does_not_start_level_again():
    version = Version(max_padded_tokens=1000, max_instances=1)
    patient = entry(version, 10, arrived=0.0, caller="patient", deadline=100.0)
    queue = waiting(patient, turn_tokens=30)
    for turn in range(20):
        queue.add(entry(version, 10, arrived=turn * 1e-3, deadline=0.5, caller="bursts"))
        if queue.take_batch(0.0).entries == [patient]:
            break

    assert not patient.is_waiting
    assert turn <= 4


def test_a_batch_is_no_larger_than_its_deadlines_allow():
    version = Version(max_padded_tokens=100, max_instances=100)
    hurried = entry(version, 4, deadline=1.0)
    queue = waiting(hurried, *(entry(version, 4) for _ in range(9)))

    batch = queue.take_batch(0.0, 1, lambda _: 20)

    assert batch.entries[0] is hurried
    assert 4 * len(batch.entries) / 20 < 1.0
    assert len(batch.entries) == 4


def test_a_version_that_needs_more_cores_than_are_free_is_waited_for():
    wide = Version(threads=2)
    queue = waiting(entry(wide, 4), entry(Version(), 4, arrived=1.0))

    assert queue.take_batch(1.0, cores=1).entries == []
    assert {one.version for one in queue.take_batch(1.0, cores=2).entries} == {wide}


@given(
    st.sampled_from([Lane.ONLINE, Lane.BULK]),
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=30),
)
@settings(max_examples=100, deadline=None)
def test_nobody_starves_among_newcomers_in_a_hurry(lane, hurries):
    version = Version(max_instances=1)
    patient = entry(version, 1, arrived=0.0, deadline=math.inf, lane=lane)
    queue = waiting(patient)
    now = 0.0
    while patient.is_waiting:
        deadline = now + 0.01 + hurries[int(now * 10) % len(hurries)]
        queue.add(entry(version, 1, arrived=now, deadline=deadline, lane=Lane.GUARDRAIL))
        queue.take_batch(now)
        now += 0.1
        assert now <= PATIENCE_S[lane] + 0.2


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 20)), min_size=1, max_size=120))
@example([(0, 17), (0, 20), (2, 8), (0, 14), (0, 20), (1, 1), (2, 14)])  # what fills a batch takes turns too
@settings(max_examples=100, deadline=None)
def test_no_caller_gets_more_than_a_turn_and_a_batch_ahead_of_another_who_waits(described):
    turn, version = 30, Version(max_padded_tokens=40, max_instances=100)
    queue = waiting(
        *(entry(version, n, arrived=i * 1e-3, caller=str(c)) for i, (c, n) in enumerate(described)),
        turn_tokens=turn,
    )
    served = dict.fromkeys((str(c) for c, _ in described), 0)
    while len(queue):
        for one in queue.take_batch(1.0).entries:
            served[one.caller] += len(one.tokens)
        still = set(queue.tokens_before(Lane.ONLINE))
        assert all(served[a] - served[b] <= turn + 40 for a in served for b in still)


def test_a_single_call_does_not_wait_for_a_flood_of_another_caller():
    version = Version(max_padded_tokens=16, max_instances=1)
    flood = [entry(version, 10, arrived=0.0, deadline=1.0, caller="flood") for _ in range(50)]
    single = entry(version, 10, arrived=0.01, deadline=5.0, caller="single")
    queue = waiting(*flood, single, turn_tokens=40)

    order = [queue.take_batch(0.0).entries[0] for _ in range(51)]

    assert order.index(single) <= 5
