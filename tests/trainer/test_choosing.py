"""Which recipe a recipe that chooses takes, and what it says of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import parse_evaluator
from gnomon.errors import BaseModelMissingError
from gnomon.instances import text_span
from gnomon.v1 import resources_pb2 as resources
from gnomon.v1.trainer_service_pb2 import ListRecipesRequest
from gnomon_trainer.adapters.recipe_files import RecipeFileError, RecipeFiles
from gnomon_trainer.domain.choosing import Choice, Facts, choose, facts_of
from gnomon_trainer.domain.service_objective import ServiceObjective
from gnomon_trainer.domain.training import Row
from tests.trainer.fake_registry import FakeRegistry
from tests.trainer.running import State, Trainer, refused, run_request, trainer_at, two_sets, write_recipe
from tests.trainer.things import TOXICITY

CHOICE = Choice("small", "few", 30, "base", 100_000, 1_000.0)
MISSING = "The base model is not at hand."

counts = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.integers(1, 2_000), min_size=2, max_size=20
)
objectives = st.none() | st.builds(
    ServiceObjective,
    input_tokens=st.integers(1, 2_000),
    p95_ms=st.floats(1, 10_000),
    peak_qps=st.floats(0.01, 1_000),
)
facts_ = st.builds(Facts, counts, st.integers(0, 2_000_000), objectives)
absent = st.sets(st.sampled_from(["few", "base"]))


def chosen(facts: Facts, lacking: set[str] | frozenset[str] = frozenset()) -> str:
    return choose(CHOICE, facts, lambda name: MISSING if name in lacking else None).recipe


@given(facts_, absent)
def test_only_a_recipe_that_can_be_used_is_chosen_and_the_reason_names_it(
    facts: Facts, lacking: set[str]
) -> None:
    found = choose(CHOICE, facts, lambda name: MISSING if name in lacking else None)
    assert found.recipe in {"small", "few", "base"} - lacking
    assert found.reason.startswith(f"The recipe {found.recipe} was chosen: ")
    assert ".." not in found.reason
    assert found == choose(CHOICE, facts, lambda name: MISSING if name in lacking else None)


@given(facts_)
def test_few_is_for_few_rows_a_class_and_for_nothing_else(facts: Facts) -> None:
    few = facts.typical_class_rows <= 30 and max(facts.class_rows.values()) <= 900
    assert (chosen(facts) == "few") == few


@given(facts_, st.integers(1, 500))
def test_more_rows_of_every_class_never_lead_back_to_few(facts: Facts, more: int) -> None:
    grown = replace(facts, class_rows={label: rows + more for label, rows in facts.class_rows.items()})
    assert chosen(facts) == "few" or chosen(grown) != "few"


@given(facts_, st.floats(1, 100), st.floats(1, 100))
def test_a_harder_load_never_leads_to_the_slower_recipe(facts: Facts, sooner: float, more: float) -> None:
    if facts.objective is None:
        return
    harder = replace(
        facts.objective, p95_ms=facts.objective.p95_ms / sooner, peak_qps=facts.objective.peak_qps * more
    )
    assert chosen(facts) == "base" or chosen(replace(facts, objective=harder)) != "base"
    assert chosen(replace(facts, objective=None)) == "base" or chosen(facts) != "base"


@given(facts_, st.integers(0, 5_000_000))
def test_longer_rows_never_lead_to_the_slower_recipe(facts: Facts, longer: int) -> None:
    grown = replace(facts, text_bytes=facts.text_bytes + longer)
    assert chosen(facts) == "base" or chosen(grown) != "base"


PLENTY = Facts({"a": 400, "b": 500}, 100_000)


@pytest.mark.parametrize(
    ("facts", "lacking", "recipe", "said"),
    [
        (
            Facts({"a": 8, "b": 8, "c": 900}, 100_000),
            frozenset(),
            "few",
            "in 3 classes of 8 to 900, 8 in the median: at most 30",
        ),
        (
            Facts({"false": 19_980, "true": 20}, 4_000_000),
            frozenset(),
            "small",
            "in 2 classes of 20 to 19980, 20 in the median: more than 900 in the largest, so not few",
        ),
        (PLENTY, frozenset(), "base", "about 25,000 tokens are few enough"),
        (PLENTY, {"base"}, "small", "base was passed over: The base model is not at hand."),
        (replace(PLENTY, text_bytes=4_000_000), frozenset(), "small", "about 1,000,000 tokens"),
        (
            replace(PLENTY, objective=ServiceObjective(100, 150, peak_qps=1)),
            frozenset(),
            "small",
            "about 100 ms for 100 tokens, more than half of the 150 ms",
        ),
        (
            replace(PLENTY, objective=ServiceObjective(100, 500, peak_qps=6)),
            frozenset(),
            "small",
            "less than twice the 6 instances a second",
        ),
        (
            replace(PLENTY, objective=ServiceObjective(100, 500, peak_qps=4)),
            frozenset(),
            "base",
            "it keeps to",
        ),
    ],
)
def test_the_reason_has_the_figures_that_decided(
    facts: Facts, lacking: frozenset[str], recipe: str, said: str
) -> None:
    found = choose(CHOICE, facts, lambda name: MISSING if name in lacking else None)
    assert found.recipe == recipe
    assert said in found.reason


def test_the_facts_are_of_the_rows_to_learn_from() -> None:
    rows = [Row(n, text_span(input="ab", output="c" * n), "true" if n % 3 else "false") for n in range(1, 10)]
    facts = facts_of(rows, TOXICITY, None)
    assert (facts.rows, facts.class_rows, facts.typical_class_rows) == (9, {"true": 6, "false": 3}, 3)
    assert facts.text_bytes >= 9 * 2 + sum(range(1, 10))


# ------------------------------------------------------------------------- files


def test_the_embedded_choice_takes_embedded_recipes() -> None:
    recipes = {recipe.recipe: recipe for recipe in RecipeFiles().all()}
    choice = recipes["auto"].choice
    assert choice is not None
    assert {choice.small, choice.few, choice.large} <= recipes.keys()
    assert recipes["auto"].parameters == recipes[choice.small].parameters
    assert recipes["auto"].base_model == recipes[choice.small].base_model
    said = "Base model and parameters are those of small, unless few or base is chosen."
    assert recipes["auto"].description.endswith(said)


def write_choice(folder: Path, choice: str) -> Path:
    write_recipe(folder)
    path = folder / "recipes" / "pick.toml"
    path.write_text(f'display_name = "Pick"\ndescription = "For tests."\n[choice]\n{choice}\n')
    return folder / "recipes"


def test_an_operators_choice_is_among_the_operators_recipes(tmp_path: Path) -> None:
    folder = write_choice(tmp_path, 'small = "quick"\nfew = "few"\nfew_class_rows = 5')
    (pick,) = [recipe for recipe in RecipeFiles(folder).all() if recipe.recipe == "pick"]
    assert pick.choice == Choice("quick", "few", 5)
    assert pick.parameters.epochs == 4


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ('few = "few"', "needs small"),
        ('small = "nothing"', "choice.small is 'nothing'; there are"),
        ('small = "pick"', "choice.small is 'pick'"),
        ('small = "quick"\nfew = "few"', "few_class_rows"),
        ('small = "quick"\nlarge = "base"', "large_training_tokens"),
        ('small = "quick"\nfew_class_rows = 0', "a number above 0"),
        ('small = "quick"\nfew_class_rows = 1.5', "a number above 0"),
        ("small = 3", "the name of a recipe"),
        ('small = "quick"\nmedium = "few"', "may have"),
        ('small = "quick"\n[parameters]\nepochs = 3', "needs exactly description, display_name"),
    ],
)
def test_a_choice_that_is_wrong_is_named(tmp_path: Path, choice: str, said: str) -> None:
    with pytest.raises(RecipeFileError, match=r"pick\.toml") as caught:
        RecipeFiles(write_choice(tmp_path, choice))
    assert said in str(caught.value)


# -------------------------------------------------------------------- on the wire


async def test_a_run_tells_which_recipe_was_chosen_and_why_and_keeps_what_was_asked_for(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    write_choice(tmp_path, 'small = "small"\nfew = "quick"\nfew_class_rows = 150')
    async with trainer_at(tmp_path, registry, workers=1) as trainer:
        await two_sets(trainer)
        await trainer.create_run(recipe="recipes/pick", parameters={"epochs": 3})
        run = await trainer.until(State.REGISTERED, State.FAILED)

    assert run.state == State.REGISTERED
    assert (run.recipe, run.chosen_recipe) == ("recipes/pick", "recipes/quick")
    (why,) = [entry.message for entry in run.findings if entry.code == "RECIPE_CHOSEN"]
    assert why.startswith("The recipe quick was chosen: 300 rows to learn from, in 2 classes of 150 to 150")
    resolved = {p.key: (p.value, p.origin) for p in run.resolved_parameters}
    assert (resolved["epochs"], resolved["patience"]) == (("3", "request"), ("2", "recipe"))
    (written,) = (tmp_path / "data" / "runs").rglob("evaluator.json")
    assert parse_evaluator(written.read_bytes()).lineage.recipe == "recipes/quick"


QUICK_ENOUGH = resources.ServiceObjective(input_tokens=50, p95_ms=500, average_qps=1, peak_qps=2)
TOO_QUICK = resources.ServiceObjective(input_tokens=400, p95_ms=100, average_qps=1, peak_qps=2)


@pytest.mark.parametrize(
    ("has_base", "objective", "recipe", "said"),
    [
        (True, None, "base", "no load is set that it could miss"),
        (True, QUICK_ENOUGH, "base", "it keeps to the load set"),
        (True, TOO_QUICK, "small", "ms for 400 tokens, more than half of the 100 ms that are allowed"),
        (False, None, "small", "gnomon base-models add all-mpnet-base-v2"),
    ],
)
async def test_the_embedded_choice_weighs_data_load_and_what_is_at_hand(
    tmp_path: Path,
    registry: FakeRegistry,
    has_base: bool,
    objective: resources.ServiceObjective | None,
    recipe: str,
    said: str,
) -> None:
    if has_base:
        (tmp_path / "base-models" / "all-mpnet-base-v2").mkdir(parents=True)
        (tmp_path / "base-models" / "all-mpnet-base-v2" / "config.json").write_text("{}")
    async with trainer_at(tmp_path, registry) as trainer:
        await two_sets(trainer)
        load = {"service_objective": objective} if objective else {}
        run = await trainer.create_run(recipe="recipes/auto", parameters={"patience": 2}, **load)
        taken = {
            entry.name: entry for entry in (await trainer.stub.ListRecipes(ListRecipesRequest())).recipes
        }
    assert (run.recipe, run.chosen_recipe) == ("recipes/auto", f"recipes/{recipe}")
    (why,) = [entry.message for entry in run.findings if entry.code == "RECIPE_CHOSEN"]
    assert f"The recipe {recipe} was chosen: 300 rows to learn from, in 2 classes of 150 to 150" in why
    assert said in why
    resolved = {p.key: (p.value, p.origin) for p in run.resolved_parameters}
    own = taken[f"recipes/{recipe}"].parameters
    assert resolved["patience"] == ("2", "request")
    assert resolved["learning_rate"] == (f"{own.learning_rate:g}", "recipe")
    assert resolved["epochs"] == (str(own.epochs), "recipe")


async def test_few_rows_a_class_lead_the_embedded_choice_to_few(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    async with trainer_at(tmp_path, registry) as trainer:
        await two_sets(trainer, training=40)
        run = await trainer.create_run(recipe="recipes/auto", allow_small=True)
    assert run.chosen_recipe == "recipes/few"
    assert {p.key: p.value for p in run.resolved_parameters}["final_rows"] == "all"
    assert "20 in the median: at most 30" in next(
        e.message for e in run.findings if e.code == "RECIPE_CHOSEN"
    )


async def test_a_run_of_a_plain_recipe_has_nothing_chosen(trainer: Trainer) -> None:
    await two_sets(trainer)
    run = await trainer.create_run()
    assert (run.recipe, run.chosen_recipe) == ("recipes/quick", "")
    assert "RECIPE_CHOSEN" not in [entry.code for entry in run.findings]


async def test_a_choice_without_its_usual_recipe_at_hand_is_refused(
    tmp_path: Path, registry: FakeRegistry
) -> None:
    write_choice(tmp_path, 'small = "absent"')
    async with trainer_at(tmp_path, registry) as trainer:
        await two_sets(trainer)
        error = await refused(trainer.stub.CreateRun(run_request(recipe="recipes/pick")))
    assert isinstance(error, BaseModelMissingError)
