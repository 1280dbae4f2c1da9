import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.bundle import Format, LineageRecord
from gnomon.errors import BundleInvalidError, InvalidRequestError
from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import MetricName
from gnomon_registry.adapters.reports import parse_report
from gnomon_registry.domain.entities import Definition, LabelClass
from gnomon_registry.domain.fit import check_fit
from gnomon_registry.domain.rules import check_texts, checked_definition
from gnomon_registry.settings import RegistrySettings
from gnomon_rpc.settings import ServerSettings
from tests.registry import bundles
from tests.registry.test_catalog_contract import metric as some_metric


def definition(*labels, output_type=OutputType.CATEGORICAL, step=Step.LLM_SPAN, shape=InputShape.OUTPUT):
    classes = tuple(c if isinstance(c, LabelClass) else LabelClass(c) for c in labels)
    return Definition(output_type, classes, step, shape)


def boolean(*labels):
    return definition(*labels, output_type=OutputType.BOOLEAN)


def problems(broken):
    with pytest.raises(InvalidRequestError) as raised:
        checked_definition(broken)
    return {violation.field: violation.description for violation in raised.value.violations}


def test_a_boolean_metric_gets_its_classes():
    assert checked_definition(boolean()).classes == (LabelClass("false"), LabelClass("true", flagged=True))


def test_a_boolean_metric_keeps_its_rubrics_in_the_order_of_the_logits():
    checked = checked_definition(boolean(LabelClass("true", "it is"), LabelClass("false", "it is not")))

    assert checked.classes == (LabelClass("false", "it is not"), LabelClass("true", "it is", True))


def test_a_boolean_metric_has_no_other_classes_and_flags_true():
    assert "metric.classes" in problems(boolean("yes", "no"))
    assert "metric.classes" in problems(boolean("true"))
    assert "metric.classes" in problems(boolean(LabelClass("false", flagged=True), "true"))


@pytest.mark.parametrize("count", [2, 3, 255])
def test_a_categorical_metric_has_2_to_255_classes(count):
    given = definition(*(f"class {i}" for i in range(count)))
    assert checked_definition(given) == given


@pytest.mark.parametrize("count", [0, 1, 256])
def test_fewer_or_more_classes_are_refused(count):
    assert "metric.classes" in problems(definition(*(f"class {i}" for i in range(count))))


def test_every_class_that_breaks_a_rule_is_named():
    found = problems(
        definition(
            "a", "a", "", " b", "c\n", "d\0", "e" * 64, LabelClass("f", "r" * 2001), LabelClass("g", "\0")
        )
    )

    assert set(found) == {
        "metric.classes[1].label",
        "metric.classes[2].label",
        "metric.classes[3].label",
        "metric.classes[4].label",
        "metric.classes[5].label",
        "metric.classes[6].label",
        "metric.classes[7].rubric",
        "metric.classes[8].rubric",
    }


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("shape", list(InputShape))
def test_whole_traces_and_sessions_are_read_at_their_own_step_alone(step, shape):
    fits = (step is Step.TRACE) == (shape is InputShape.WHOLE_TRACE) and (step is Step.SESSION) == (
        shape is InputShape.WHOLE_SESSION
    )
    given = definition("a", "b", step=step, shape=shape)
    if fits:
        assert checked_definition(given) == given
    else:
        assert "metric.input_shape" in problems(given)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_display_name_is_one_line_of_at_most_63_characters(text):
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    if len(text) <= 63 and not control:
        check_texts("metric", display_name=text)
    else:
        with pytest.raises(InvalidRequestError):
            check_texts("metric", display_name=text)


def test_long_texts_and_nul_are_refused_by_name():
    check_texts("metric", description="x\n" * 5_000, judge_prompt="x" * 50_000)
    with pytest.raises(InvalidRequestError) as raised:
        check_texts("metric", description="x" * 10_001, judge_prompt="a\0b")
    assert [v.field for v in raised.value.violations] == ["metric.description", "metric.judge_prompt"]


METRIC = dataclasses.replace(
    some_metric("tox"),
    definition=checked_definition(boolean()),
)


def fit_problems(evaluator, name="tox"):
    with pytest.raises(BundleInvalidError) as raised:
        check_fit(
            dataclasses.replace(METRIC, name=MetricName(name)),
            evaluator,
            tuple(bundles.listed(bundles.files())),
        )
    return [violation.field.removeprefix("evaluator.json: ") for violation in raised.value.violations]


def test_an_evaluator_that_fits_is_accepted():
    check_fit(METRIC, bundles.EVALUATOR, tuple(bundles.listed(bundles.files())))


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"metric": "metrics/other"}, ["metric"]),
        ({"output_type": OutputType.CATEGORICAL}, ["output_type"]),
        ({"step": Step.TOOL_SPAN}, ["step"]),
        ({"input_shape": InputShape.INPUT, "template": "input/1"}, ["input_shape"]),
        ({"classes": ("true", "false")}, ["classes"]),
        ({"classes": ("false", "true", "maybe")}, ["classes"]),
        ({"flagged_classes": ()}, ["flagged_classes"]),
        ({"flagged_classes": ("false", "true")}, ["flagged_classes"]),
        ({"template": "input/1"}, ["template"]),
        ({"formats": (Format("onnx-fp32", "other.onnx"),)}, ["formats"]),
        ({"formats": (Format("onnx-fp32", "model.onnx"),) * 2}, ["formats"]),
        ({"lineage": LineageRecord(seed=2**63)}, ["lineage.seed"]),
        ({"lineage": LineageRecord(run=3)}, ["lineage.run"]),
        ({"lineage": LineageRecord(recipe="\ud800")}, ["lineage.recipe"]),
        ({"step": Step.TOOL_SPAN, "classes": ("a", "b")}, ["step", "classes"]),
    ],
)
def test_an_evaluator_that_differs_from_its_metric_is_refused_by_field(changes, fields):
    assert fit_problems(dataclasses.replace(bundles.EVALUATOR, **changes)) == fields


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"test_rows": "many"}', b"\xff", b"[" * 100_000])
def test_a_report_that_is_not_one_is_refused(content):
    with pytest.raises(BundleInvalidError, match=r"report\.json"):
        parse_report(content)


def test_a_report_of_a_newer_release_is_read_as_far_as_it_is_known():
    assert parse_report(b'{"test_rows": 3, "moon_phase": "full"}') == b"\x08\x03"


def test_the_settings_want_a_sqlite_file_or_a_server(monkeypatch):
    for right in ("sqlite:////data/registry.db", "postgresql://db/registry"):
        monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", right)
        assert RegistrySettings().database_url == right
    for wrong in (
        "",
        "registry.db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://db",
        "mysql://db/registry",
    ):
        monkeypatch.setenv("GNOMON_REGISTRY_DATABASE_URL", wrong)
        with pytest.raises(ValueError, match="sqlite:///path"):
            RegistrySettings()


def test_the_settings_want_a_file_system_that_is_there(monkeypatch):
    monkeypatch.setenv("GNOMON_REGISTRY_ARTIFACT_URL", "cellar://bottles")
    with pytest.raises(ValueError, match="cellar"):
        RegistrySettings()


def test_the_settings_are_those_of_a_server():
    assert issubclass(RegistrySettings, ServerSettings)
    assert RegistrySettings().listen == "127.0.0.1:7410"
