"""The benchmark that changes one part of the recipe at a time."""

import numpy as np
from benchmarks.quality import isolated
from benchmarks.quality.cells import Cell, Measured
from benchmarks.quality.sets import SETS, Division, parted

from gnomon_trainer.domain import recipes


def measured(right: int) -> Measured:
    truth = np.arange(40) % 2
    probabilities = np.eye(2)[np.where(np.arange(40) < right, truth, 1 - truth)]
    return Measured(Cell("gnomon_small", "banking77", 0), truth, probabilities, truth, truth * 0, {})


def test_rows_to_learn_from_and_to_measure_on_are_other_rows_of_the_training_side() -> None:
    records = [{"input": f"text {n}", "label": f"{n % 3}"} for n in range(90)]
    test = [{"input": "never looked at", "label": "0"}]
    found = parted(Division(records, test, [0]), 1, rows=30, most=50)
    assert (len(found.training), len(found.test)) == (30, 50)
    texts = [{row["input"] for row in part} for part in (found.training, found.test)]
    assert not texts[0] & texts[1]
    assert "never looked at" not in texts[0] | texts[1]


def test_every_variant_asks_for_a_parameter_that_a_run_takes() -> None:
    asked = [name for parameters in isolated.VARIANTS.values() for name in parameters]
    assert set(asked) <= set(recipes.NAMES)
    first, *others = isolated.VARIANTS.values()
    assert not first
    assert all(others)


def test_a_variant_is_compared_with_the_recipe_row_by_row() -> None:
    found = isolated._figures(SETS["banking77"], {"the recipe": [measured(30)], "worse": [measured(10)]})
    assert found["variants"]["the recipe"]["gain"] == 0
    worse = found["variants"]["worse"]
    assert (worse["value"], worse["gain"], worse["verdict"]) == (0.25, -0.5, "worse")
    content = {
        "command": "python -m benchmarks.quality.isolated",
        "origin": {"date": "2026-01-01", "commit": "abc", "machine": "a machine"},
        "rows": 30,
        "seeds": [0],
        "sets": {"banking77": found},
    }
    assert "| `banking77`, accuracy | worse | 0.250 (" in isolated.rendered(content)
    assert "-0.500 (" in isolated.rendered(content)
