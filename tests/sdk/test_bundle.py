"""The bundle's two documents: `evaluator.json` and the manifest."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.bundle import (
    ABOVE_ALL,
    MAX_FILES,
    AbstainBand,
    BundleFile,
    Calibration,
    Evaluator,
    Format,
    LineageRecord,
    Threshold,
    Windows,
    check_files,
    digest,
    is_sha256,
    manifest,
    parse_evaluator,
)
from gnomon.errors import BundleInvalidError
from gnomon.instances import InputShape, OutputType, Step

EVALUATOR = Evaluator(
    metric="metrics/tone",
    output_type=OutputType.CATEGORICAL,
    step=Step.LLM_SPAN,
    input_shape=InputShape.INPUT_OUTPUT,
    classes=("kind", "rüde", "neutral"),
    flagged_classes=("rüde",),
    template="input-output/1",
    max_tokens=256,
    calibration=Calibration(1.25, rows=100),
    threshold=Threshold(0.4, rows=100),
    formats=(Format("onnx-fp32", "model.onnx"),),
    lineage=LineageRecord(run="projects/p/runs/r", seed=7),
)
FILES = (
    BundleFile("evaluator.json", "a" * 64, 10),
    BundleFile("model.onnx", "b" * 64, 20),
    BundleFile("tokenizer.json", "c" * 64, 30),
)


def raw(**changes: Any) -> str:
    return json.dumps(json.loads(EVALUATOR.to_json()) | changes)


def test_an_evaluator_is_read_as_it_is_written() -> None:
    assert parse_evaluator(EVALUATOR.to_json()) == EVALUATOR
    assert parse_evaluator(EVALUATOR.to_json().encode()) == EVALUATOR


def test_an_evaluator_may_declare_windows_and_older_ones_have_none() -> None:
    windowed = replace(EVALUATOR, windows=Windows(128, 4, "mean"))
    older = {key: value for key, value in json.loads(EVALUATOR.to_json()).items() if key != "windows"}

    assert parse_evaluator(windowed.to_json()) == windowed
    assert parse_evaluator(json.dumps(older)) == EVALUATOR
    assert parse_evaluator(raw(windows={"stride": 9})).windows == Windows(9, 8, "max")


def test_only_a_bundle_that_decides_in_a_new_way_asks_for_a_newer_release() -> None:
    scaled = replace(EVALUATOR, calibration=Calibration(1.0, "vector", 9, (1.0, 2.0, 0.5), (0.0, 0.1, -0.1)))
    unsure = replace(EVALUATOR, abstain_band=AbstainBand(0.3, 0.6, 0.05, 0.9, "m", 60, 60))

    assert json.loads(EVALUATOR.to_json())["schema"] == 1
    for newer in (scaled, unsure):
        assert json.loads(newer.to_json())["schema"] == 2
        assert parse_evaluator(newer.to_json()) == newer


def test_a_threshold_that_nothing_reaches_is_one() -> None:
    assert parse_evaluator(raw(threshold={"value": ABOVE_ALL})).threshold.value == ABOVE_ALL


def test_an_older_bundle_has_an_estimated_threshold_and_never_abstains() -> None:
    content = json.loads(EVALUATOR.to_json())
    content["calibration"] = {"temperature": 1.25, "method": "temperature", "rows": 100}
    content["threshold"] = {"value": 0.4, "aim": "best_f1", "rows": 100}
    del content["abstain_band"]
    assert parse_evaluator(json.dumps(content)) == EVALUATOR


def test_what_a_newer_release_adds_is_passed_over() -> None:
    calibration = {"temperature": 1.25, "method": "temperature", "rows": 100, "bins": 15}
    assert parse_evaluator(raw(extra=1, calibration=calibration)) == EVALUATOR


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 3}, "schema"),
        ({"calibration": {"scales": [1.0, 2.0]}}, "calibration.scales"),
        ({"calibration": {"scales": [1.0, 2.0, 3.0]}}, "biases"),
        ({"calibration": {"scales": [1, 1, -1], "biases": [0, 0, 0]}}, "calibration.scales"),
        ({"calibration": {"scales": [1, 1, 1], "biases": [0, 0, "high"]}}, "calibration.biases"),
        ({"calibration": {"scales": 7}}, "cannot be read"),
        ({"abstain_band": {"low": 0.6, "high": 0.4}}, "abstain_band"),
        ({"abstain_band": {"low": 0.6}}, "cannot be read"),
        ({"abstain_band": {"low": 0.2, "high": 0.4}, "flagged_classes": []}, "abstain_band"),
        ({"output_type": "number"}, "number"),
        ({"classes": ["one"]}, "classes"),
        ({"classes": ["one", "one"]}, "classes"),
        ({"classes": None}, "cannot be read"),
        ({"flagged_classes": ["other"]}, "flagged_classes"),
        ({"template": "input-output/99"}, "template"),
        ({"template": 7}, "template"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"activation": "sigmoid"}, "activation"),
        ({"calibration": {"temperature": 0}}, "temperature"),
        ({"calibration": {"temperature": "hot"}}, "temperature"),
        ({"calibration": []}, "calibration"),
        ({"threshold": {"value": 1.5}}, "threshold"),
        ({"threshold": {"value": True}}, "threshold"),
        ({"threshold": {}}, "cannot be read"),
        ({"formats": []}, "onnx-fp32"),
        ({"formats": [7]}, "cannot be read"),
        ({"windows": []}, "windows"),
        ({"windows": {}}, "stride"),
        ({"windows": {"stride": 0}}, "windows.stride"),
        ({"windows": {"stride": 257}}, "windows.stride"),
        ({"windows": {"stride": "many"}}, "windows.stride"),
        ({"windows": {"stride": 8, "most": 65}}, "windows.most"),
        ({"windows": {"stride": 8, "most": True}}, "windows.most"),
        ({"windows": {"stride": 8, "reducer": "min"}}, "windows.reducer"),
        ({"windows": {"stride": 8, "reducer": ["max"]}}, "windows.reducer"),
    ],
)
def test_a_field_that_breaks_a_rule_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleInvalidError, match=said):
        parse_evaluator(raw(**changes))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", b"\xff\xfe", '{"schema": 1}'])
def test_what_is_no_evaluator_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(BundleInvalidError, match=r"evaluator\.json"):
        parse_evaluator(text)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(BundleInvalidError, match="temperature"):
        parse_evaluator(EVALUATOR.to_json().replace("1.25", "NaN"))
    with pytest.raises(BundleInvalidError, match="threshold"):
        parse_evaluator(EVALUATOR.to_json().replace("0.4", "Infinity"))


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(BundleInvalidError) as caught:
        parse_evaluator(raw(classes=["one"], flagged_classes=[], max_tokens=0, template="x"))
    assert len(caught.value.violations) == 3


@given(st.permutations(FILES))
def test_the_digest_does_not_depend_on_the_order_of_the_files(files: list[BundleFile]) -> None:
    assert digest(files) == digest(FILES)
    assert check_files(files) == FILES
    assert is_sha256(digest(files))


@pytest.mark.parametrize("change", [{"path": "model2.onnx"}, {"sha256": "d" * 64}, {"size_bytes": 21}])
def test_the_digest_depends_on_all_there_is_in_the_manifest(change: dict[str, Any]) -> None:
    changed = (FILES[0], replace(FILES[1], **change), FILES[2])
    assert digest(changed) != digest(FILES)


def test_the_manifest_is_canonical() -> None:
    assert manifest(FILES[::-1]).startswith(b'{"files":[{"path":"evaluator.json","sha256":"aaaa')


@pytest.mark.parametrize("path", ["model.onnx", "onnx/model.onnx", "a/b/c/d", "A-1_b.c", "x" * 128])
def test_paths_inside_the_folder_are_taken(path: str) -> None:
    assert check_files([*FILES[::2], BundleFile(path, "b" * 64, 1)])


@pytest.mark.parametrize(
    "path",
    ["", "/", ".", "..", "../x", "x/..", "x/../y", "/x", "x/", "x//y", ".x", "x\0", "x\n", "x y", "x\\y",
     "C:x", "a/b/c/d/e", "x" * 129, "ü"],
)  # fmt: skip
def test_paths_that_could_leave_the_folder_are_refused(path: str) -> None:
    with pytest.raises(BundleInvalidError):
        check_files([*FILES, BundleFile(path, "b" * 64, 1)])


@given(st.text())
def test_no_text_that_passes_as_a_path_leaves_the_folder(path: str) -> None:
    try:
        check_files([*FILES[::2], BundleFile(path, "b" * 64, 1)])
    except BundleInvalidError:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")


@pytest.mark.parametrize(
    "files",
    [
        (),
        FILES[:2],
        FILES[1:],
        (*FILES, FILES[1]),
        (*FILES, replace(FILES[1], path="MODEL.onnx")),  # one file on some file systems
        (*FILES, BundleFile("x", "B" * 64, 1)),
        (*FILES, BundleFile("x", "b" * 63, 1)),
        (*FILES, *(BundleFile(f"x{i}", "b" * 64, 1) for i in range(MAX_FILES))),
    ],
)
def test_a_list_of_files_that_is_no_bundle_is_refused(files: tuple[BundleFile, ...]) -> None:
    with pytest.raises(BundleInvalidError):
        check_files(files)
