"""A search for better parameters: within its time, repeatable, and apart from the training after it."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gnomon.errors import TrainingFailedError
from gnomon_trainer.adapters.fine_tuning import files, stages
from gnomon_trainer.adapters.fine_tuning.passes import steps_of
from gnomon_trainer.adapters.fine_tuning.searching import Judged, Search
from gnomon_trainer.adapters.fine_tuning.set_up import SetUp
from gnomon_trainer.domain.parameter_search import SEARCHED, Trial, ranges
from gnomon_trainer.domain.training import Parameters, Reporter, RunCancelledError, Stage, Trained
from tests.trainer.fine_tuning import tiny
from tests.trainer.fine_tuning.test_recipe_parameters import learn
from tests.trainer.fine_tuning.test_resuming import KilledError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Trainings:
    """Trials that take ten steps of `step_s`; the best learning rate is 6e-3, twice the recipe's."""

    def __init__(self, clock: Clock, step_s: float = 1.0) -> None:
        self._clock, self._step_s = clock, step_s
        self.tried: list[Parameters] = []

    def __call__(self, parameters: Parameters, folder: Path, reporter: Reporter) -> Judged:
        folder.mkdir(parents=True, exist_ok=True)
        for step in range(1, 11):
            reporter.checkpoint_allowed()
            self._clock.now += self._step_s
            reporter.progress(step, 10, (10 - step) * self._step_s if step > 2 else None)
        self.tried.append(parameters)
        return self.judged(parameters)

    def judged(self, parameters: Parameters) -> Judged:
        return Judged(abs(parameters.learning_rate / 6e-3 - 1), 0.5)


def searched(
    folder: Path,
    minutes: float,
    train: Trainings | None = None,
    reporter: Reporter | None = None,
    names: Sequence[str] = SEARCHED,
) -> Sequence[Trial]:
    clock = train._clock if train else Clock()
    return Search(
        parameters=replace(tiny.PARAMETERS, search_minutes=minutes),
        searched=names,
        folder=folder,
        plan_digest="plan",
        train=train or Trainings(clock),
        reporter=reporter or tiny.Recorder(),
        clock=clock,
    ).run()


def test_the_first_trial_is_the_recipe_and_the_others_differ_and_keep_to_the_ranges(tmp_path: Path) -> None:
    train = Trainings(Clock())
    trials = searched(tmp_path, 3.0, train)
    assert len(trials) == 18  # of ten seconds each
    own = {name: getattr(tiny.PARAMETERS, name) for name in SEARCHED}
    assert trials[0].values == own
    assert len({tuple(trial.values.values()) for trial in trials}) == len(trials)
    for name, within in ranges(tiny.PARAMETERS, SEARCHED).items():
        assert all(within.low * 0.99 <= trial.values[name] <= within.high * 1.01 for trial in trials)
    for parameters, trial in zip(train.tried, trials, strict=True):
        assert parameters == replace(tiny.PARAMETERS, search_minutes=3.0, **trial.values)


def test_what_is_tried_comes_nearer_to_what_was_good(tmp_path: Path) -> None:
    trials = searched(tmp_path, 6.0, names=["learning_rate"])
    distances = [trial.loss for trial in trials if trial.loss is not None]
    assert sum(distances[-10:]) < sum(distances[1:11]) / 2
    assert min(distances) < 0.05 < distances[0]


def test_as_many_trials_are_the_same_trials(tmp_path: Path) -> None:
    short, long = searched(tmp_path / "short", 1.0), searched(tmp_path / "long", 2.0)
    assert (len(short), len(long)) == (6, 12)
    assert list(long[:6]) == list(short)


@pytest.mark.parametrize(
    ("minutes", "trials"),
    [(0.1, 0), (0.15, 0), (0.17, 1), (0.3, 1), (0.34, 2), (0.49, 2), (0.51, 3)],
)
def test_no_trial_is_begun_that_would_not_end_in_time_and_none_goes_on_after_it(
    tmp_path: Path, minutes: float, trials: int
) -> None:
    clock = Clock()
    assert len(searched(tmp_path, minutes, Trainings(clock))) == trials
    assert clock.now <= minutes * 60 + 1  # at most the step that it was at
    assert not (tmp_path / "trials").exists()


class Wavering(Trainings):
    """Trials of which those at high rates fail, as with a loss that is no number."""

    def judged(self, parameters: Parameters) -> Judged:
        if parameters.learning_rate > tiny.PARAMETERS.learning_rate:
            raise TrainingFailedError("The loss is no number.")
        return super().judged(parameters)


def test_a_trial_that_fails_is_no_end(tmp_path: Path) -> None:
    trials = searched(tmp_path, 2.0, Wavering(Clock()))
    failed = [trial for trial in trials if trial.loss is None]
    assert len(trials) == 12
    assert failed
    assert all(trial.values["learning_rate"] > tiny.PARAMETERS.learning_rate for trial in failed)


def test_a_search_tells_steps_and_time_over_all_trials_and_the_training_after_them(tmp_path: Path) -> None:
    recorder = tiny.Recorder()
    searched(tmp_path, 0.5, reporter=recorder)
    assert recorder.points == []
    steps = [step for step, _, _ in recorder.steps]
    assert steps == sorted(set(steps))
    assert steps[-1] == 29
    assert {total for _, total, _ in recorder.steps} == {30}
    assert [round(left or 0) for _, _, left in recorder.steps] == [30 - step + 10 for step in steps]


def test_a_search_that_was_stopped_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    undisturbed = searched(tmp_path / "undisturbed", 1.0)
    trains = [Trainings(Clock()) for _ in range(3)]
    for train, call in zip(trains, (15, 17), strict=False):
        stops = tiny.StopsAt(call, RunCancelledError(), Stage.SEARCHING)
        stops.stage(Stage.SEARCHING)
        with pytest.raises(RunCancelledError):
            searched(tmp_path / "stopped", 1.0, train, stops)
    stopped = searched(tmp_path / "stopped", 1.0, trains[2])
    assert [len(train.tried) for train in trains] == [1, 1, 2]
    for ours, theirs in zip(stopped, undisturbed, strict=False):
        assert (ours.values, ours.loss, ours.steps) == (theirs.values, theirs.loss, theirs.steps)
    again = Trainings(Clock())
    assert list(searched(tmp_path / "stopped", 1.0, again)) == list(stopped)
    assert again.tried == []


def test_interruptions_make_a_search_no_longer(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(20):
        stops = tiny.StopsAt(8, RunCancelledError(), Stage.SEARCHING)
        stops.stage(Stage.SEARCHING)
        with contextlib.suppress(RunCancelledError):
            searched(tmp_path, 1.0, Trainings(clock), stops)
    assert 60 <= clock.now <= 61
    assert searched(tmp_path, 1.0, Trainings(clock)) == []  # no trial ever came to its end


@pytest.mark.parametrize("kills", [1, 5])
def test_of_a_killed_trial_at_most_a_minute_is_forgotten(tmp_path: Path, kills: int) -> None:
    clock = Clock()
    for _ in range(kills):
        stops = tiny.StopsAt(9, KilledError(), Stage.SEARCHING)
        stops.stage(Stage.SEARCHING)
        with pytest.raises(KilledError):
            searched(tmp_path, 60.0, Trainings(clock, step_s=10.0), stops)
    kept = files.read_json(tmp_path / "search.json")
    assert kept["trials"] == []
    assert clock.now - 60 * kills <= kept["spent_s"] <= clock.now


def test_a_trial_that_is_recorded_is_not_made_again_though_its_folder_stayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Path) -> None:
        if folder.name == "0000":
            raise KilledError

    trains = [Trainings(Clock()) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr(files, "remove_folder", killed)
        with pytest.raises(KilledError):
            searched(tmp_path, 1.0, trains[0])
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["0000"]
    stops = tiny.StopsAt(1, KilledError(), Stage.SEARCHING)
    stops.stage(Stage.SEARCHING)
    with pytest.raises(KilledError):
        searched(tmp_path, 1.0, trains[1], stops)
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["0001"]
    assert len(searched(tmp_path, 1.0, trains[1])) == 6
    assert [len(train.tried) for train in trains] == [1, 5]


def test_the_trials_of_another_plan_are_not_taken(tmp_path: Path) -> None:
    searched(tmp_path, 1.0)
    kept = files.read_json(tmp_path / "search.json")
    files.replace_file(tmp_path / "search.json", files.to_json({**kept, "plan": "another"}))
    train = Trainings(Clock())
    searched(tmp_path, 0.2, train)
    assert len(train.tried) == 1


# ---------------------------------------------------------- of a whole training


class Ticks:
    """A clock that is a second later at every look."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> float:
        self.now += 1
        return float(self.now)


# So few that the recipe's own rates learn too little; with this seed the next trial has higher ones.
FEW_STEPS = {"learning_rate": 1e-3, "epochs": 2, "seed": 2}
PLAN = tiny.plan(search_minutes=4.0, **FEW_STEPS)


def train_with_search(
    base_model: Path, work: Path, reporter: tiny.Recorder, clock: Callable[[], float]
) -> Trained:
    set_up = SetUp(base_model, 1, 60.0, further=(), profiler=tiny.NoProfiler(), clock=clock)
    return stages.train(PLAN, work, reporter, set_up)


WithReports = tuple[Trained, tiny.Recorder, Path]


@pytest.fixture(scope="module")
def finished(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> WithReports:
    work, recorder = tmp_path_factory.mktemp("searched"), tiny.Recorder()
    return train_with_search(base_model, work, recorder, Ticks()), recorder, work


@pytest.mark.slow
def test_the_evaluator_is_that_of_a_training_with_what_was_found(
    finished: WithReports, base_model: Path, tmp_path: Path
) -> None:
    trained, _, work = finished
    search = trained.report["parameter_search"]
    assert len(search["trials"]) > 2
    values = search["trials"][search["chosen"]]["parameters"]
    assert search["chosen"] > 0
    plan = tiny.plan(**FEW_STEPS)
    plain = learn(base_model, tmp_path, replace(plan, parameters=replace(plan.parameters, **values)))
    newest = max((work / "checkpoints").iterdir())
    assert newest.joinpath("best.safetensors").read_bytes() == plain
    assert sorted(path.name for path in (work / "search").iterdir()) == ["search.json"]


@pytest.mark.slow
def test_card_and_report_say_what_was_found_and_that_rows_were_looked_at_more_than_once(
    finished: WithReports,
) -> None:
    trained, _, _ = finished
    search = trained.report["parameter_search"]
    rate = search["trials"][search["chosen"]]["parameters"]["learning_rate"]
    card = (trained.bundle_folder / "MODEL_CARD.md").read_text()
    assert f"| `learning_rate` | {rate:g} | search |" in card
    assert "| `search_minutes` | 4 |" in card
    assert any("sets of parameters were tried" in warning for warning in trained.report["warnings"])


def test_the_curves_are_those_of_the_training_alone(finished: WithReports) -> None:
    _, recorder, _ = finished
    assert recorder.stages[1:4] == [Stage.BASELINE, Stage.SEARCHING, Stage.FINE_TUNING]
    steps = [point.step for point in recorder.points]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] <= steps_of(60, PLAN.parameters)


def test_a_search_killed_within_a_trial_goes_on_there(
    finished: WithReports, base_model: Path, tmp_path: Path
) -> None:
    trained, _, _ = finished
    stops = tiny.StopsAt(75, RunCancelledError(), Stage.SEARCHING)
    with pytest.raises(RunCancelledError):
        train_with_search(base_model, tmp_path, stops, Ticks())
    assert stops.stages[-1] is Stage.SEARCHING
    assert list((tmp_path / "search" / "trials").rglob("step-*"))
    with pytest.raises(KilledError):
        train_with_search(base_model, tmp_path, tiny.StopsAt(1, KilledError(), Stage.FINE_TUNING), Ticks())
    kept = files.read_json(tmp_path / "search" / "search.json")["trials"]
    for ours, theirs in zip(kept, trained.report["parameter_search"]["trials"], strict=False):
        assert (ours["values"], ours["loss"]) == (theirs["parameters"], theirs["validation_loss"])
