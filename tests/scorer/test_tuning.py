"""How the fastest way is found, without a clock; and how it is remembered."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.tokens import Tokens
from gnomon_scorer.adapters.tunings import TuningFiles
from gnomon_scorer.domain.ports import BatchLimits, Trial, Tuning, Way
from gnomon_scorer.domain.probing import BLOCK, mixed
from gnomon_scorer.domain.tuning import AGAIN_S, BATCH_TOKENS, UNSTEADY, batches, is_trusted, tune
from tests.scorer.fakes import FakeTunings, tokens

KNOWN = tokens(2, 4, 6, 3)


class Machine:
    """A clock and a device: a way's speed is the product of what its parts bring."""

    def __init__(
        self,
        formats: Mapping[str, float],
        threads: Mapping[int, float],
        sizes: Mapping[int, float],
        broken: frozenset[str] = frozenset(),
    ):
        self.formats, self.threads, self.sizes, self.broken = formats, threads, sizes, broken
        self.spent = 0.0
        self.longest = 0.0

    def speed(self, way: Way) -> float:
        return self.formats[way.format] * self.threads[way.threads] * self.sizes[way.batch_tokens]

    def measure(self, way: Way, rows: int) -> float:
        assert rows > 0
        assert rows % BLOCK == 0
        if way.format in self.broken:
            raise ValueError(f"{way.format} is broken")
        took = rows / self.speed(way)
        self.spent += took
        self.longest = max(self.longest, took)
        return took

    def ways(self):
        usable = [f for f in self.formats if f not in self.broken]
        return [Way(f, t, s) for f in usable for t in self.threads for s in self.sizes]

    def tuned(self, budget_s=3.0, most=2048):
        return tune({f: sorted(self.threads) for f in self.formats}, most, budget_s, self.measure)


def hill(values):
    """Spread factors so that they rise to one top and fall again, as they do on real machines."""
    return st.builds(
        lambda top, slope: {value: slope ** abs(i - top) for i, value in enumerate(values)},
        st.integers(0, len(values) - 1),
        st.floats(0.3, 1.0),
    )


machines = st.builds(
    Machine,
    formats=st.dictionaries(st.sampled_from("abcd"), st.floats(20, 2000), min_size=1),
    threads=hill((1, 2, 4)),
    sizes=hill(BATCH_TOKENS),
    broken=st.frozensets(st.sampled_from("abcd"), max_size=2),
)


@given(machines, st.floats(0.1, 5))
def test_measuring_ends_within_the_budget_but_for_one_pass(machine, budget):
    if machine.broken >= machine.formats.keys():
        return
    machine.tuned(budget)

    assert machine.spent <= budget + machine.longest


@given(machines)
def test_with_time_enough_the_best_way_is_found_but_for_what_cannot_be_told_apart(machine):
    if machine.broken >= machine.formats.keys():
        return
    chosen, trials = machine.tuned(1e6)

    best = max(trial.sequences_per_s for trial in trials)
    assert chosen in trials
    assert chosen.sequences_per_s >= 0.97 * best
    assert chosen.sequences_per_s == pytest.approx(machine.speed(chosen.way))
    assert machine.speed(chosen.way) >= 0.97 * 0.95 * max(map(machine.speed, machine.ways()))


@given(machines)
def test_what_cannot_be_used_is_never_chosen(machine):
    if machine.broken >= machine.formats.keys():
        with pytest.raises(ValueError, match="broken"):
            machine.tuned()
        return

    chosen, trials = machine.tuned()

    assert chosen.way.format not in machine.broken
    assert not {trial.way.format for trial in trials} & machine.broken


def test_of_ways_as_fast_the_smallest_batch_is_chosen():
    machine = Machine({"a": 100.0}, {1: 1.0}, {0: 0.5, 256: 0.98, 512: 1.0, 1024: 1.01, 2048: 1.0})

    chosen, _ = machine.tuned()

    assert chosen.way == Way("a", 1, 256)


def test_of_ways_as_fast_one_with_batches_and_of_few_threads_is_chosen():
    machine = Machine({"a": 100.0}, {1: 1.0, 2: 1.01}, {0: 1.0, 256: 0.98, 512: 1.0, 1024: 0.5, 2048: 0.2})

    chosen, _ = machine.tuned()

    assert chosen.way == Way("a", 1, 256)


def test_a_disturbance_while_the_best_way_is_tried_does_not_cost_it_its_place():
    passes = 0

    def measure(way, rows):
        nonlocal passes
        passes += 1
        return rows / (100 if way.threads > 1 else 50 if passes <= 2 else 150)

    chosen, _ = tune({"a": (1, 2)}, 512, 10.0, measure)

    assert chosen.way.threads == 1


@given(machines)
def test_passes_of_a_machine_that_nothing_disturbs_do_not_lie_apart(machine):
    if machine.broken >= machine.formats.keys():
        return
    _, trials = machine.tuned()

    assert all(trial.spread == pytest.approx(0.0) for trial in trials)


@pytest.mark.parametrize("formats", [("a",), ("a", "b")])
def test_a_disturbance_shows_in_the_spread_of_what_was_chosen(formats):
    passes = 0

    def measure(way, rows):
        nonlocal passes
        passes += 1
        return rows / (100 if passes % 2 else 60)

    chosen, _ = tune(dict.fromkeys(formats, (1,)), 512, 10.0, measure)

    assert chosen.sequences_per_s == pytest.approx(100)
    assert chosen.spread == pytest.approx(0.4)


def test_only_a_tuning_that_was_disturbed_and_is_not_new_is_measured_again():
    disturbed = Tuning(Trial(Way("a"), 10.0, UNSTEADY + 0.01), measured_at=1_000.0)
    steady = Tuning(Trial(Way("a"), 10.0, UNSTEADY), measured_at=1_000.0)

    assert is_trusted(disturbed, 1_000.0 + AGAIN_S - 1)
    assert not is_trusted(disturbed, 1_000.0 + AGAIN_S)
    assert not is_trusted(disturbed, 900.0)  # the clock was set back
    assert is_trusted(steady, 1e9)


def test_a_slow_machine_still_tries_the_likeliest_format():
    machine = Machine({"a": 1.0, "b": 2.0}, {1: 1.0, 2: 1.0}, dict.fromkeys(BATCH_TOKENS, 1.0))

    chosen, trials = machine.tuned(budget_s=0.5)

    assert [trial.way.format for trial in trials] == ["a"]
    assert chosen == trials[0]


def test_a_model_for_one_instance_a_call_is_measured_so():
    def measure(way, rows):
        if way.batch_tokens:
            raise ValueError("one instance a call")
        return rows / 100

    chosen, trials = tune({"a": (1, 2)}, 2048, 3.0, measure)

    assert chosen.way.batch_tokens == 0
    assert {trial.way.batch_tokens for trial in trials} == {0}


def test_no_batch_is_larger_than_the_settings_allow():
    machine = Machine({"a": 100.0}, {1: 1.0}, {0: 0.1, 256: 1.0, 300: 2.0, 512: 3.0, 1024: 4.0, 2048: 9.0})

    _, trials = machine.tuned(most=300)

    assert {trial.way.batch_tokens for trial in trials} <= {0, 256, 300}


@given(st.integers(1, 2000), st.integers(1, 8))
def test_sample_rows_are_mixed_and_never_longer_than_the_evaluator_reads(max_tokens, blocks):
    rows = mixed(KNOWN, max_tokens, blocks)

    assert len(rows) == blocks * BLOCK
    assert all(1 <= len(row) <= max_tokens for row in rows)
    assert sum(len(row) <= 32 for row in rows) >= 7 * blocks
    assert rows == mixed(KNOWN, max_tokens, 8)[: len(rows)]


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=80),
    st.sampled_from([0, 256, 1024]),
    st.sampled_from([1, 16]),
)
def test_batches_hold_every_row_once_and_keep_the_limits(lengths, size, step):
    limits = Way("a", 1, size).limits(step)
    rows = [Tokens((number,) * length, (0,) * length) for number, length in enumerate(lengths)]

    made = batches(rows, limits)

    assert sorted(row.ids[0] for batch in made for row in batch) == list(range(len(rows)))
    for batch in made:
        assert len(batch) <= limits.max_instances
        width = -(-max(map(len, batch)) // step) * step
        assert len(batch) == 1 or len(batch) * width <= limits.max_padded_tokens


def test_a_way_of_one_instance_a_call_wants_no_batches():
    assert Way("a", 2, 0).limits(16) == BatchLimits(512, max_instances=1, threads=2, length_step=16)
    assert Way("a", 1, 1024).limits() == BatchLimits(1024)


TUNING = Tuning(Trial(Way("a", 2, 256), 12.5, 0.3), (Trial(Way("b", 0, 0)),), "a machine", 1234.5, 6.5)


@pytest.mark.parametrize("kind", ["fake", "files"])
def test_a_tuning_that_is_kept_is_found_again_on_the_same_machine(kind, tmp_path):
    tunings = FakeTunings() if kind == "fake" else TuningFiles(tmp_path / "tunings")
    assert tunings.find("a machine", "key") is None

    tunings.keep("key", TUNING)

    assert tunings.find("a machine", "key") == TUNING
    assert tunings.find("another machine", "key") is None
    assert tunings.find("a machine", "other") is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"schema": 2}',
        '{"schema": 1, "chosen": 5}',
        json.dumps({"schema": 1, "chosen": {"way": {"format": "a", "threads": 0, "batch_tokens": 0}}}),
        '{"schema": 1, "chosen": {"way": {"format": "a", "threads": 1, "batch_tokens": 1}, '
        '"sequences_per_s": Infinity}, "trials": [], "machine": "a machine", "measured_at": 1}',
    ],
)
def test_a_tuning_that_is_damaged_counts_as_none(content, tmp_path):
    tunings = TuningFiles(tmp_path)
    tunings.keep("key", TUNING)
    (file,) = tmp_path.glob("*/*.json")
    file.write_text(content)

    assert tunings.find("a machine", "key") is None
    tunings.keep("key", TUNING)
    assert tunings.find("a machine", "key") == TUNING


def test_a_tuning_of_an_earlier_release_counts_as_undisturbed(tmp_path):
    tunings = TuningFiles(tmp_path)
    tunings.keep("key", TUNING)
    (file,) = tmp_path.glob("*/*.json")
    stored = json.loads(file.read_text())
    del stored["objective_per_s"], stored["chosen"]["spread"], stored["trials"][0]["spread"]
    file.write_text(json.dumps(stored))

    assert tunings.find("a machine", "key") == replace(
        TUNING, chosen=replace(TUNING.chosen, spread=0.0), objective_per_s=0.0
    )


def test_a_tuning_that_cannot_be_stored_is_no_error_and_leaves_nothing(tmp_path):
    (tmp_path / "tunings").write_text("in the way")

    TuningFiles(tmp_path / "tunings").keep("key", TUNING)

    assert [path.name for path in tmp_path.iterdir()] == ["tunings"]
