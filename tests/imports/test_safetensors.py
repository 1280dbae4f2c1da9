"""Headers of safetensors that no library writes: refused with a sentence that says what is wrong."""

from typing import Any

import pytest

from tests.imports.checking import check, refusal
from tests.imports.good import good
from tests.imports.malicious import safetensors


def entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize("header", [entry(), entry() | {"__metadata__": {"format": "pt"}}])
def test_a_file_of_tensors_may_lie_beside_the_models(header: dict[str, Any]) -> None:
    check(good() | {"head.safetensors": safetensors(header)})


@pytest.mark.parametrize(
    ("header", "rule", "words"),
    [
        (b"{} []", "json-form", "is not JSON"),
        (entry() | {"__metadata__": {"format": 7}}, "safetensors-header", "has notes that are no texts"),
        (entry() | {"__metadata__": ["pt"]}, "safetensors-header", "has notes that are no texts"),
        ({"a": []}, "safetensors-header", "describes the tensor 'a' with other keys"),
        ({"a": {"dtype": "F32"}}, "safetensors-header", "describes the tensor 'a' with other keys"),
        (entry(file="/etc/passwd"), "safetensors-header", "describes the tensor 'a' with other keys"),
        (entry(dtype="STRING"), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(dtype=["F32"]), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(shape=2), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(shape=[-2]), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(shape=[2.0]), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(shape=[1] * 8 + [2]), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(data_offsets=[-8, 0]), "safetensors-header", "of a type, shape or place that cannot be"),
        (entry(data_offsets=[8, 0]), "safetensors-offsets", "which its shape [2] is not as long as"),
        (entry(data_offsets=[0, 8, 8]), "safetensors-offsets", "which its shape [2] is not as long as"),
        (entry(shape=[1], data_offsets=[0, 4]), "safetensors-offsets", "has tensors of 4 bytes in 8"),
    ],
)
def test_a_header_that_no_library_writes_is_refused(header: Any, rule: str, words: str) -> None:
    found = refusal(good() | {"head.safetensors": safetensors(header)})
    assert found[:2] == (rule, "head.safetensors")
    assert words in found[2]
