"""Good bundles, cut and altered by chance: accepted or refused with a typed error, and nothing else."""

import io

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.bundle_archives import unpack
from gnomon.bundle_checks import Policy, check_contents
from gnomon.errors import BundleInvalidError
from tests.imports import archives, malicious
from tests.imports.good import Contents, good, listed

_EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
_HEAD = malicious.safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})
_BASE: Contents = (
    malicious.openvino(
        malicious.ir('<layer id="1" name="c" type="Const" version="opset1">'
                     '<data element_type="f32" shape="4, 4" offset="0" size="64"/></layer>')
    )
    | {"head.safetensors": _HEAD}
)  # fmt: skip
_ARCHIVES = [archives.zipped(archives.whole()), archives.tarred(archives.whole(), packed=True)]


def check(contents: Contents) -> None:
    check_contents(listed(contents), lambda path: io.BytesIO(contents[path]))


def test_the_bundle_that_is_broken_is_a_good_one() -> None:
    check(_BASE)


@_EXAMPLES
@given(st.sampled_from(sorted(_BASE)), st.data())
def test_a_file_that_is_cut_is_accepted_or_refused(path: str, data: st.DataObject) -> None:
    content = _BASE[path]
    end = data.draw(st.integers(0, len(content) - 1))
    try:
        check(_BASE | {path: content[:end]})
    except BundleInvalidError as error:
        assert error.metadata["rule"]
        assert error.metadata["path"] in error.message


@_EXAMPLES
@given(st.sampled_from(sorted(_BASE)), st.data())
def test_a_file_with_flipped_bytes_is_accepted_or_refused(path: str, data: st.DataObject) -> None:
    content = bytearray(_BASE[path])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        check(_BASE | {path: bytes(content)})
    except BundleInvalidError as error:
        assert error.metadata["rule"]


@_EXAMPLES
@given(st.sampled_from(_ARCHIVES), st.data())
def test_an_archive_with_flipped_bytes_is_unpacked_or_refused(
    tmp_path_factory: pytest.TempPathFactory, archive: bytes, data: st.DataObject
) -> None:
    content = bytearray(archive[: data.draw(st.integers(len(archive) // 2, len(archive)))])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("broken")
    (folder / "bundle").write_bytes(bytes(content))
    try:
        unpack(folder / "bundle", folder / "out", Policy())
    except BundleInvalidError as error:
        assert error.metadata["rule"].startswith("archive")


def test_random_bytes_are_no_model() -> None:
    random = np.random.default_rng(7)
    for _ in range(300):
        content = random.bytes(int(random.integers(1, 400)))
        with pytest.raises(BundleInvalidError):
            check(good() | {"model.onnx": content})


def test_a_model_whose_weights_lie_beside_it_is_accepted() -> None:
    from tests.scorer.evaluators import onnx_model, with_data_beside

    model, data = with_data_beside(onnx_model(), "model.onnx.data")
    check(good() | {"model.onnx": model, "model.onnx.data": data})
    assert onnx.load_from_string(model).graph.initializer
