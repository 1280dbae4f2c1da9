"""OpenVINO models that no exporter writes: refused with a sentence that says what is wrong."""

import pytest

from gnomon.bundle_checks import policy_from
from tests.imports.checking import assert_refused, check, refusal
from tests.imports.good import Contents
from tests.imports.malicious import ir, openvino


def layer(kind: str, inside: str = "", number: int = 1, name: str = "l") -> str:
    return f'<layer id="{number}" name="{name}" type="{kind}" version="opset1">{inside}</layer>'


def constant(kind: str = "f32", shape: str = "4", offset: str = "0", size: str = "16") -> Contents:
    data = f'<data element_type="{kind}" shape="{shape}" offset="{offset}" size="{size}"/>'
    return openvino(ir(layer("Const", data)))


def dimension(text: str) -> Contents:
    return openvino(ir(layer("Add", f"<output><port><dim>{text}</dim></port></output>")))


REFUSED: dict[str, tuple[Contents, str, str]] = {
    "another document": (openvino("<html/>"), "openvino-form", "it begins with 'html'"),
    "what is no XML": (openvino("{}"), "openvino-xml", "does not begin as XML in UTF-8 does"),
    "instructions": (openvino(ir(before="<?evil now?>")), "openvino-xml", "has instructions"),
    "a long attribute": (
        openvino(ir(layer("Add", name="n" * 4_097))),
        "openvino-xml",
        "has an attribute of more than 4096 characters",
    ),
    "a layer twice": (openvino(ir(layer("Add") * 2)), "openvino-form", "has the layer '1' twice"),
    "a constant at no number": (constant(offset="-8"), "openvino-weights", "has a constant at ['-8', '16']"),
    "a constant at a digit of another script": (
        constant(offset="²"),
        "openvino-weights",
        "has a constant at",
    ),
    "a constant of no type": (constant("string"), "openvino-weights", "has a constant of type 'string'"),
    "a constant of nine dimensions": (
        constant(shape="1," * 8 + "4"),
        "openvino-weights",
        "has a constant of type 'f32'",
    ),
    "an input of its own": (
        openvino(ir(layer("Parameter", name="secrets"))),
        "openvino-inputs",
        "reads ['input_ids', 'secrets']; an evaluator reads",
    ),
    "an input twice": (
        openvino(ir(layer("Parameter", name="input_ids"))),
        "openvino-inputs",
        "reads ['input_ids', 'input_ids']",
    ),
    "an edge to no layer": (
        openvino(ir(edges='<edge from-layer="0" to-layer="77"/>')),
        "openvino-form",
        "has an edge to a layer that is not there",
    ),
    "a dimension of no number": (dimension("many"), "openvino-size", "has a dimension of 'many'"),
    "a dimension of two signs": (dimension("--1"), "openvino-size", "has a dimension of '--1'"),
    "a dimension of a digit of another script": (dimension("²"), "openvino-size", r"a dimension of '\xb2'"),
    "a dimension beyond all": (dimension("9" * 5_000), "openvino-size", "has a dimension of '9999"),
    "an element in a dimension": (
        dimension("<port/>2"),
        "openvino-form",
        "has an element inside of a dimension",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_no_exporter_writes_is_refused(name: str) -> None:
    contents, rule, words = REFUSED[name]
    assert_refused(contents, "m.xml", rule, words)


@pytest.mark.parametrize(
    ("limits", "rule", "words"),
    [
        ({"max_nodes": 20}, "openvino-size", "has more than 20 layers"),
        ({"max_graph_bytes": 5_000}, "openvino-size", "has more than 5000 bytes"),
    ],
)
def test_a_model_larger_than_the_policy_allows_is_refused(
    limits: dict[str, int], rule: str, words: str
) -> None:
    layers = "".join(layer("Add", number=number) for number in range(10, 110))
    contents = openvino(ir(layers))
    check(contents)
    found = refusal(contents, policy_from(limits))
    assert found[:2] == (rule, "m.xml")
    assert words in found[2]
