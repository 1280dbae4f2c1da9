"""A search for better parameters: trainings one after another, each judged on the rows held out.

Optuna's TPE (Bergstra et al., NeurIPS 2011) proposes; see
`domain.parameter_search` for what. The first trial is the recipe as it is. A
proposal follows from the seed and the trials before alone, and those are on
disk: a search that was killed goes on with the trial it was at, and ends as an
undisturbed one of as many trials. The time that trial took until then is on
disk too, so that interruptions do not make a search longer.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gnomon.errors import TrainingFailedError
from gnomon_trainer.adapters.fine_tuning import files
from gnomon_trainer.domain import parameter_search
from gnomon_trainer.domain.parameter_search import Trial
from gnomon_trainer.domain.training import (
    Parameters,
    Point,
    Reporter,
    Stage,
    TrainingInterruptedError,
)

if TYPE_CHECKING:
    from optuna.distributions import FloatDistribution

_FILE = "search.json"
_KEPT_EVERY_S = 60.0  # how much of a trial's time a kill may make forgotten
_AT_RANDOM = 5  # trials before Optuna's model has something to go by
_DIGITS = 3  # of a proposed value: more make no difference, and are hard to read


@dataclass(frozen=True, slots=True)
class Judged:
    """How good a trial's network is on the rows held out; `loss` after temperature scaling."""

    loss: float
    macro_f1: float


Train = Callable[[Parameters, Path, Reporter], Judged]


class _OutOfTimeError(Exception):
    """The search's time is over within a trial."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search within `parameters.search_minutes`, kept in `folder`.

    `train` makes a trial's training in a folder of its own; called again, it
    goes on there. `searched` are names of parameters. `after` is how many times
    the steps of a trial the final training takes, for the time left.
    """

    parameters: Parameters
    searched: Sequence[str]
    folder: Path
    plan_digest: str
    train: Train
    reporter: Reporter
    after: float = 1.0
    clock: Callable[[], float] = time.monotonic

    def run(self) -> Sequence[Trial]:
        """Return all trials; none if the time is too short for one.

        Raises:
            TrainingInterruptedError: the reporter said so; a checkpoint of the trial is written.
            OSError: the disk is full or away; what was written before is untouched.
        """
        trials, is_done, spent_s = self._read()
        while not is_done:
            trial = self._try(trials, spent_s)
            trials, spent_s = ([*trials, trial] if trial else trials), 0.0
            is_done = trial is None or not self._has_time_for_another(trials)
            self._write(trials, is_done)
            self._sweep(trials)
        files.remove_folder(self._trials)
        return trials

    @property
    def _trials(self) -> Path:
        return self.folder / "trials"

    def _left_s(self, trials: Sequence[Trial]) -> float:
        return self.parameters.search_minutes * 60 - sum(trial.seconds for trial in trials)

    def _has_time_for_another(self, trials: Sequence[Trial]) -> bool:
        return self._left_s(trials) >= sum(trial.seconds for trial in trials) / len(trials)

    def _try(self, trials: Sequence[Trial], spent_s: float) -> Trial | None:
        """Return the next trial; None if its time was over before its end.

        `spent_s` is what it took before an interruption.
        """
        values = self._proposed(trials)
        counted = _Counted(
            self.reporter,
            trials,
            self._left_s(trials),
            self.after,
            self.clock,
            spent_s=spent_s,
            keep=lambda seconds: self._write(trials, is_done=False, spent_s=seconds),
        )
        try:
            judged = self.train(
                parameter_search.with_values(self.parameters, values), self._folder(trials), counted
            )
        except _OutOfTimeError:
            return None
        except TrainingInterruptedError:
            counted.keep()
            raise
        except TrainingFailedError:  # such as a rate at which the loss is no number
            judged = None
        return Trial(
            values,
            judged.loss if judged else None,
            judged.macro_f1 if judged else 0.0,
            counted.steps,
            counted.elapsed_s,
        )

    def _proposed(self, trials: Sequence[Trial]) -> Mapping[str, float]:
        own = {name: float(getattr(self.parameters, name)) for name in self.searched}
        return _proposed(self.parameters, self.searched, trials) if trials else own

    def _folder(self, trials: Sequence[Trial]) -> Path:
        """Return the folder of the trial after these."""
        return self._trials / f"{len(trials):04}"

    def _sweep(self, trials: Sequence[Trial]) -> None:
        """Remove the folders of trials that are recorded."""
        for folder in self._trials.glob("*"):
            if folder != self._folder(trials):
                files.remove_folder(folder)

    def _read(self) -> tuple[list[Trial], bool, float]:
        """Return the trials, whether they are all, and the seconds that the next one took already."""
        kept = files.read_json(self.folder / _FILE)
        if not isinstance(kept, dict) or kept.get("plan") != self.plan_digest:
            files.remove_folder(self.folder)
            return [], False, 0.0
        trials = [Trial(**trial) for trial in kept["trials"]]
        self._sweep(trials)
        return trials, kept["is_done"], kept.get("spent_s", 0.0)

    def _write(self, trials: Sequence[Trial], is_done: bool, spent_s: float = 0.0) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {
            "plan": self.plan_digest,
            "trials": [asdict(trial) for trial in trials],
            "is_done": is_done,
            "spent_s": spent_s,
        }
        files.replace_file(self.folder / _FILE, files.to_json(kept))


def _proposed(parameters: Parameters, searched: Sequence[str], trials: Sequence[Trial]) -> dict[str, float]:
    """Return the values to try after some trials: the same ones for the same seed and trials."""
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    within = {
        name: FloatDistribution(_rounded(found.low), _rounded(found.high), log=found.log)
        for name, found in parameter_search.ranges(parameters, searched).items()
    }
    # A sampler of its own for each proposal: nothing of its state has to outlive this process.
    seed = (parameters.seed * 1_000_003 + len(trials)) % 2**32
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_AT_RANDOM)
    study = optuna.create_study(sampler=sampler)
    for trial in trials:
        params = {name: _inside(value, within[name]) for name, value in trial.values.items()}
        state = TrialState.COMPLETE if trial.loss is not None else TrialState.FAIL
        study.add_trial(
            create_trial(params=params, distributions=dict(within), value=trial.loss, state=state)
        )
    asked = study.ask(dict(within))
    return {name: _rounded(asked.params[name]) for name in searched}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _inside(value: float, within: "FloatDistribution") -> float:
    return min(max(value, within.low), within.high)


class _Counted:
    """A reporter for a trial: steps and time are counted over all of them, and its curves stay its own."""

    def __init__(
        self,
        reporter: Reporter,
        trials: Sequence[Trial],
        left_s: float,
        after: float,
        clock: Callable[[], float],
        *,
        spent_s: float,
        keep: Callable[[float], None],
    ) -> None:
        self._reporter, self._left_s, self._after, self._clock = reporter, left_s, after, clock
        self._steps_before = sum(trial.steps for trial in trials)
        self._began = clock() - spent_s
        self._keep, self._kept_s = keep, spent_s
        self.steps = 0

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._began

    def keep(self) -> None:
        """Put the trial's time so far on disk."""
        self._kept_s = self.elapsed_s
        self._keep(self._kept_s)

    def stage(self, stage: Stage) -> None:
        pass  # the search is one

    def progress(self, step: int, total_steps: int, remaining_s: float | None) -> None:
        """Tell the steps that fit into the time, and the time of the search and the training after it."""
        self.steps = step
        if remaining_s is None or step == total_steps:
            return
        a_step_s = remaining_s / (total_steps - step)
        left_s = max(0.0, self._left_s - self.elapsed_s)
        at = self._steps_before + step
        total = at + (math.ceil(left_s / a_step_s) if a_step_s > 0 else 0)
        self._reporter.progress(at, total, left_s + a_step_s * total_steps * self._after)

    def point(self, point: Point) -> None:
        pass  # the run's curves are those of the final training

    def checkpoint_allowed(self) -> None:
        self._reporter.checkpoint_allowed()
        if self.elapsed_s >= self._left_s:
            raise _OutOfTimeError
        if self.elapsed_s >= self._kept_s + _KEPT_EVERY_S:
            self.keep()
