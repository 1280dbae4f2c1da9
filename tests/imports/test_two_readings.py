"""Whether OpenVINO reads the model that was checked, and no other that lies in the same file."""

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.bundle_checks import check_contents
from gnomon.errors import BundleInvalidError
from gnomon_scorer.adapters.openvino_runtime import _library
from tests.imports import polyglots
from tests.imports.good import listed
from tests.imports.polyglots import PRODUCER, RANDOM, WEIGHTS
from tests.scorer.evaluators import onnx_model

pytest.importorskip("openvino")

_DOMAIN, _OPSET = b"\x22", b"\x42"
_OPERATORS = b"\x0a\x07ai.onnx\x10\x11"
_PARTS = st.one_of(
    st.sampled_from([PRODUCER + polyglots.varint(len(text), wide) + text for text in (b"x", b"", RANDOM)
                     for wide in (1, 6)]),
    st.sampled_from([
        b"\x92\x00" + polyglots.varint(len(RANDOM)) + RANDOM,  # a tag of two bytes
        b"\x10\x01",  # a name that is a number
        _DOMAIN + b"\x01d",
        _OPSET + polyglots.varint(len(_OPERATORS)) + _OPERATORS,
        b"\x28" + polyglots.varint((1 << 64) - 1),  # a version of ten bytes
        b"\x0a\x02\x08\x01",  # a version that is bytes
    ]),
)  # fmt: skip


def layers(path: Path) -> list[str]:
    """Return the layers that OpenVINO finds; none where it does not read the file."""
    try:
        return [layer.get_type_name() for layer in _library().Core().read_model(path).get_ops()]
    except RuntimeError:
        return []


def is_accepted(path: str, content: bytes) -> bool:
    contents = polyglots.bundle(path, content)
    try:
        check_contents(listed(contents), lambda one: io.BytesIO(contents[one]))
    except BundleInvalidError:
        return False
    return True


def put(folder: Path, name: str, content: bytes) -> Path:
    (folder / "m.bin").write_bytes(WEIGHTS)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "content"),
    [("m.xml", polyglots.begun(RANDOM)), ("m.onnx", polyglots.begun(RANDOM, RANDOM))],
)
def test_openvino_reads_another_model_than_the_one_that_is_sound(
    tmp_path: Path, name: str, content: bytes
) -> None:
    assert "RandomUniform" in layers(put(tmp_path, name, content))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_PARTS, max_size=4), st.integers(0, 2))
def test_openvino_reads_an_accepted_model_as_the_onnx_that_it_is(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], version_bytes: int
) -> None:
    model = onnx_model()
    content = model[:version_bytes] + b"".join(parts) + model[2:]
    if is_accepted("m.onnx", content):
        found = layers(put(tmp_path_factory.mktemp("two"), "m.onnx", content))
        assert "MatMul" in found
        assert "RandomUniform" not in found
