"""What an operator may change, and patterns of tokenizers that are harmless."""

import io
from pathlib import Path

import pytest
from pydantic import ValidationError

from gnomon.bundle_checks import Policy, check_contents, patterns, policy_from, read_policy
from gnomon.bundle_checks.allowed import PATTERNS
from gnomon.errors import BundleInvalidError
from gnomon_registry.settings import RegistrySettings
from tests.imports import malicious
from tests.imports.good import Contents, good, listed, with_evaluator


def check(contents: Contents, policy: Policy) -> None:
    check_contents(listed(contents), lambda path: io.BytesIO(contents[path]), policy)


def test_an_operator_that_is_added_is_allowed() -> None:
    case = malicious.GRAPHS["an operator that a list does not know"]
    with pytest.raises(BundleInvalidError):
        check(case.make(), policy_from({}))

    check(case.make(), policy_from({"also_operators": ["ImageDecoder"]}))


def test_a_list_that_is_given_replaces_the_default() -> None:
    with pytest.raises(BundleInvalidError) as caught:
        check(good(), policy_from({"operators": ["Gather"]}))
    assert caught.value.metadata == {"path": "model.onnx", "rule": "onnx-operator"}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"formats": ["openvino-fp32"]}, "format"),
        ({"max_total_bytes": 100}, "bundle-size"),
        ({"max_nodes": 3}, "onnx-nodes"),
        ({"max_tokenizer_bytes": 10}, "file-size"),
    ],
)
def test_a_refusal_names_the_rule(values: dict[str, object], rule: str) -> None:
    with pytest.raises(BundleInvalidError) as caught:
        check(good(), policy_from(values))
    assert caught.value.metadata["rule"] == rule


def test_base_models_are_matched_by_pattern() -> None:
    policy = policy_from({"base_models": ["sentence-transformers/*"]})
    check(with_evaluator(lineage={"base_model": "sentence-transformers/all-MiniLM-L6-v2"}), policy)
    with pytest.raises(BundleInvalidError) as caught:
        check(with_evaluator(lineage={"base_model": "evil/model"}), policy)
    assert caught.value.metadata["rule"] == "base-model"


@pytest.mark.parametrize("text", ["unknown = 1", "max_nodes = 0", 'formats = "onnx-fp32"', "= ="])
def test_a_policy_that_makes_no_sense_stops_the_service(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"policy\.toml"):
        read_policy(file)
    with pytest.raises(ValidationError, match="policy"):
        RegistrySettings(bundle_policy_file=file)


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"\s", r"\p{L}+", r" ?\w+", r"[a-z]{1,3}", r"(?i:'s|'t)", r"a|b+|c*", ""),
        *(
            r"(?i:[a-z]+)",
            r"\d{1,4}-\d{2}-\d{2}",
            r"[[:alpha:]\-]+?",
            r"a++",
            r"(?:a+)?",
            r"{|}",
            r"\x41\u0042",
        ),
        *(r" ?[^\s\p{L}\p{N}]+[\r\n]?", r"\s+(?!\S)", r"(?m:.)", "é+", "|".join(["word"] * 300)),
    ],
)
def test_simple_patterns_are_harmless(pattern: str) -> None:
    assert patterns.problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a+)+", r"(a|a)*", r"\s*\s*x", r"a{1,9999}", r"(a*){2}", r"(a)\1", "(a", "a)", "[a", r"a**"),
        *(r"(?:a|a){64}", r"(?:a|a)?*", r"(?:a|a){2}+", r"(?:a|a){0,1}*", r"(?:a?){30}", "a?" * 30),
        *(r"a{0,64}b{0,64}", r"a{70,1}", r"(?i:[ßs]+)", r"(?i:\w+)", r"(?i:ß)", r"(?x:#\n)", r"(?mx:a)"),
        *(r"(?:a*|b)c*", r"a*(?:b*|c)", r"[a[b]]", r"[]a]", r"[a&&b]", r"\c(", r"\Qa\E", r"\R", r"(?i)a"),
        *("*a", "(*FAIL)", "(" * 99),
    ],
)
def test_patterns_that_can_run_for_ever_are_not(pattern: str) -> None:
    assert patterns.problem(pattern) is not None


def test_the_patterns_of_well_known_tokenizers_are_spelled_as_the_library_spells_them() -> None:
    llama = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    assert llama in PATTERNS
