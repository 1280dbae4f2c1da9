"""Every parameter is told of once, can be set, and is shown with where it came from."""

import inspect

from gnomon.cli import parameters, runs
from gnomon.v1 import resources_pb2 as pb
from tests.cli.conftest import Gnomon

FIELDS = [field.name for field in pb.TrainingParameters.DESCRIPTOR.fields]


def test_every_parameter_of_the_contract_is_described_and_can_be_set() -> None:
    assert sorted(parameters.WHAT) == sorted(FIELDS)
    assert set(FIELDS) <= inspect.signature(runs.create).parameters.keys()


def test_what_is_set_is_sent(gnomon: Gnomon, fake: object) -> None:
    sets = ("--metric", "tone", "--training-set", "train", "--test-set", "test")
    assert gnomon("runs", "create", "--project", "demo", *sets, "--search-minutes", "7.5").status == 0
    (request,) = fake.create_runs  # type: ignore[attr-defined]
    assert request.run.parameters == pb.TrainingParameters(search_minutes=7.5)


def test_a_recipe_is_shown_with_what_each_of_its_parameters_is(gnomon: Gnomon) -> None:
    shown = gnomon("recipes", "get", "small").out
    assert "recipes/small" in shown
    for words in ("epochs", "8", "Passes over the training set", "0.0001", "search_minutes", "mean"):
        assert words in shown
    assert gnomon("recipes", "get", "recipes/small", "--json").json["parameters"]["epochs"] == 8
    missing = gnomon("recipes", "get", "large")
    assert missing.status != 0
    assert "There are small" in missing.err


def test_a_run_is_shown_with_where_each_parameter_came_from() -> None:
    resolved = [
        pb.ResolvedParameter(key=key, value=value, origin=origin)
        for key, value, origin in (
            ("epochs", "9", "request"),
            ("patience", "4", "recipe"),
            ("seed", "0", "recipe"),
            ("learning_rate", "0.0002", "search"),
        )
    ]
    table = parameters.by_origin(pb.Run(resolved_parameters=resolved))
    said, values = (list(column.cells) for column in table.columns)
    assert said == ["as asked for", "found by the search", "by the recipe"]
    assert [str(value) for value in values] == ["epochs 9", "learning_rate 0.0002", "patience 4, seed 0"]
