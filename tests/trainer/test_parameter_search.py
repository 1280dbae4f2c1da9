"""What a search may change, which trial is taken, and what of it a user sees."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import LineageRecord
from gnomon.errors import InvalidRequestError
from gnomon.v1 import resources_pb2 as resources
from gnomon_trainer.adapters.recipe_files import RecipeFiles
from gnomon_trainer.domain import parameter_search
from gnomon_trainer.domain.parameter_search import SEARCHED, Trial
from gnomon_trainer.domain.recipes import check_ranges, find, resolve
from gnomon_trainer.domain.training import Parameters, TrainingPlan
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, Trainer, refused, run_request, trainer_at, two_sets
from tests.trainer.things import TOXICITY

RECIPE = find(RecipeFiles(), "small")
PLAN = TrainingPlan(
    run="projects/p/runs/r",
    metric=TOXICITY,
    training_rows=(),
    test_rows=(),
    recipe="recipes/small",
    base_model=RECIPE.base_model,
    parameters=RECIPE.parameters,
    origins={"epochs": "request", "learning_rate": "recipe"},
    lineage=LineageRecord(),
)

rates = st.floats(1e-8, 1.0)
parameters_ = st.builds(
    lambda rate, head, decay: replace(
        RECIPE.parameters, learning_rate=rate, head_learning_rate=head, layer_decay=decay
    ),
    rates,
    rates,
    st.floats(0.01, 1.0),
)
losses = st.none() | st.floats(0, 10)


def trial(loss: float | None, **values: float) -> Trial:
    return Trial(values or {"learning_rate": 1e-4}, loss, 0.5, 10, 2.0)


@given(parameters_, st.lists(st.sampled_from(SEARCHED), min_size=1, unique=True))
def test_the_recipes_own_values_and_none_that_are_refused_lie_within_what_is_searched(
    parameters: Parameters, searched: list[str]
) -> None:
    for name, within in parameter_search.ranges(parameters, searched).items():
        assert within.low <= getattr(parameters, name) <= within.high
        for value in (within.low, within.high):
            check_ranges({name: value})


@given(st.lists(losses, min_size=1))
def test_the_first_of_the_lowest_losses_is_taken_and_no_failed_trial_if_there_is_another(
    found: list[float | None],
) -> None:
    chosen = parameter_search.best([trial(loss) for loss in found])
    known = [math.inf if loss is None else loss for loss in found]
    assert known[chosen] == min(known)
    assert min(known) not in known[:chosen]


def test_a_search_in_which_the_recipe_was_best_changes_nothing() -> None:
    trials = [trial(0.3, learning_rate=1e-4), trial(0.3, learning_rate=2e-4), trial(None)]
    assert parameter_search.settled(PLAN, trials) is PLAN
    assert parameter_search.settled(PLAN, []) is PLAN
    assert parameter_search.found({"parameter_search": parameter_search.reported(trials)}) == {}
    assert parameter_search.found({}) == parameter_search.found(None) == {}


def test_what_a_search_found_is_used_and_has_an_origin_of_its_own() -> None:
    trials = [trial(0.3), trial(0.2, learning_rate=2e-4, layer_decay=0.8)]
    plan = parameter_search.settled(PLAN, trials)
    assert (plan.parameters.learning_rate, plan.parameters.layer_decay) == (2e-4, 0.8)
    assert plan.parameters == replace(PLAN.parameters, learning_rate=2e-4, layer_decay=0.8)
    assert plan.origins == PLAN.origins | {"learning_rate": "search", "layer_decay": "search"}


def test_the_report_of_a_search_is_the_contracts() -> None:
    reported = parameter_search.reported([trial(0.3), trial(None), trial(0.2, layer_decay=0.8)])
    read = json_format.ParseDict(reported, resources.ParameterSearch())
    assert read.chosen == 2
    assert [entry.HasField("validation_loss") for entry in read.trials] == [True, False, True]
    assert read.trials[2].parameters == {"layer_decay": 0.8}
    assert parameter_search.found({"parameter_search": reported}) == {"layer_decay": 0.8}


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([], "no set of parameters could be tried: nothing was searched"),
        ([trial(0.3)], "1 set of parameters could be tried: nothing was searched"),
        ([trial(0.3), trial(0.4)], "2 sets of parameters were tried, and the recipe's own was best"),
        ([trial(0.3), trial(0.2)], "2 sets of parameters were tried, and the best one was taken"),
    ],
)
def test_a_reader_of_the_report_is_told_how_much_was_tried(trials: list[Trial], said: str) -> None:
    assert said in parameter_search.caution(trials, 5.0)


def test_what_a_user_sets_is_not_searched() -> None:
    _, origins = resolve(RECIPE, {"learning_rate": 2e-4, "search_minutes": 5.0}, 500)
    assert parameter_search.names(origins) == ("head_learning_rate", "layer_decay")
    everything = {"learning_rate": 1e-4, "head_learning_rate": 1e-3, "layer_decay": 0.9}
    resolve(RECIPE, everything, 500)
    with pytest.raises(InvalidRequestError, match="needs one of learning_rate") as caught:
        resolve(RECIPE, {**everything, "search_minutes": 5.0}, 500)
    assert [violation.field for violation in caught.value.violations] == ["parameters.search_minutes"]


# ------------------------------------------------------------------- on the wire


@pytest.mark.parametrize("minutes", [-1.0, 1_441.0, math.nan])
async def test_a_time_that_cannot_be_meant_is_refused(trainer: Trainer, minutes: float) -> None:
    await two_sets(trainer)
    error = await refused(trainer.stub.CreateRun(run_request(parameters={"search_minutes": minutes})))
    assert isinstance(error, InvalidRequestError)
    assert "search_minutes" in error.message


async def test_a_run_shows_what_its_search_found_in_place_of_the_recipes_values(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        queued = await trainer.create_run(parameters={"search_minutes": 3.0, "epochs": 2})
        run = await trainer.until(State.REGISTERED, State.FAILED)

    assert run.state == State.REGISTERED
    before, after = ({p.key: (p.value, p.origin) for p in r.resolved_parameters} for r in (queued, run))
    assert before["learning_rate"] == ("0.0001", "recipe")
    assert after["learning_rate"] == ("0.0002", "search")
    assert {key for key in after if after[key] != before[key]} == {"learning_rate"}
    assert after["search_minutes"] == ("3", "request")
    assert [entry.seconds for entry in run.report.parameter_search.trials] == [2.0, 2.0]
