"""The contract of a backend, on the fake and on every engine and precision."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from gnomon.decision import probabilities
from gnomon.errors import VersionUnloadableError
from gnomon.tokens import Tokens
from gnomon_scorer.domain.loaded import BadOutputError
from tests.scorer.backends import ONNX_FORMATS, load, open_bundle, open_version, runtimes, skip_without
from tests.scorer.evaluators import VOCABULARY, make_bundle, onnx_model, with_data_beside
from tests.scorer.fakes import FakeBackend, tokens

MOST = {"fake": 0.0, "onnx-fp32": 1e-4, "openvino-fp32": 1e-4, "openvino-bf16": 2e-3}  # of a probability


@pytest.fixture(params=["fake", *ONNX_FORMATS])
def format_(request):
    skip_without(request.param)
    return request.param


@pytest.fixture(params=[1, 2])
def backend(request, format_, tmp_path):
    """Every backend keeps this contract, on one core and on two."""
    if format_ == "fake":
        yield FakeBackend()
        return
    bundle = open_bundle(tmp_path, make_bundle(max_tokens=256), "onnx-fp32", format_)
    backend = load(runtimes(format_, request.param), bundle).backend
    yield backend
    backend.close()


def rows(count, longest, seed=0):
    shuffled = random.Random(seed)
    ids = range(2, VOCABULARY.index("nanword"))
    return [tokens(*shuffled.choices(ids, k=shuffled.randint(1, longest))) for _ in range(count)]


def far(one, other):
    pairs = zip(probabilities(one, 1.5), probabilities(other, 1.5), strict=True)
    return max(abs(a - b) for a, b in pairs)


def test_a_batch_gives_one_row_an_instance_and_one_logit_a_class(backend):
    given = backend.run([tokens(2, 4, 3), tokens(2, 5, 6, 7, 3)])

    assert [len(row) for row in given] == [2, 2]
    assert all(isinstance(value, float) for row in given for value in row)


def test_an_instance_scores_the_same_alone_beside_others_and_in_the_background(backend, format_):
    batch = rows(9, 40)

    together = backend.run(batch)

    for one, row in zip(batch, together, strict=True):
        assert far(backend.run([one])[0], row) <= MOST[format_]
        assert far(backend.run_in_background([one])[0], row) <= MOST[format_]


def test_concurrent_calls_of_all_shapes_do_not_mix(backend, format_):
    batches = [rows(count, longest, seed=count) for count in range(1, 9) for longest in (3, 30, 256)]
    alone = [backend.run(batch) for batch in batches]

    with ThreadPoolExecutor(4) as callers:
        for _ in range(5):
            front = [callers.submit(backend.run, batch) for batch in batches]
            behind = [callers.submit(backend.run_in_background, batch) for batch in batches]
            for expected, *futures in zip(alone, front, behind, strict=True):
                for future in futures:
                    assert all(
                        far(a, b) <= MOST[format_] for a, b in zip(expected, future.result(), strict=True)
                    )


def test_what_a_batch_gave_stays_as_it_was(backend):
    first = backend.run(rows(4, 20, seed=1))
    kept = [list(row) for row in first]
    backend.run(rows(4, 20, seed=2))

    assert first == kept


def test_a_backend_tells_its_limits_and_memory_and_can_be_closed(format_, tmp_path):
    if format_ == "fake":
        backend = FakeBackend()
    else:
        bundle = open_bundle(tmp_path, make_bundle(), "onnx-fp32", format_)
        backend = load(runtimes(format_), bundle).backend

    assert backend.limits.max_padded_tokens > 0
    assert backend.memory_bytes > 0
    backend.close()


@pytest.fixture(params=ONNX_FORMATS)
def real(request):
    skip_without(request.param)
    return request.param


def test_a_sound_version_is_proven_at_several_lengths_and_batched(real, tmp_path):
    version = open_version(tmp_path, make_bundle(max_tokens=256), real)

    version.warm()

    assert version.format == real
    assert version.limits.max_instances > 1


def test_a_model_exported_for_one_instance_is_served_one_a_call(real, tmp_path):
    version = open_version(tmp_path, make_bundle(model=onnx_model(fixed_batch=1)), real)
    before = version.limits

    version.warm()

    assert version.limits.max_instances == 1
    assert version.limits.length_step == before.length_step


def test_a_model_with_fewer_inputs_is_fed_those(real, tmp_path):
    model = onnx_model(inputs=("input_ids", "attention_mask"))

    open_version(tmp_path, make_bundle(model=model), real).warm()


def test_a_model_with_the_wrong_classes_does_not_pass_warming(real, tmp_path):
    version = open_version(tmp_path, make_bundle(model=onnx_model(classes=3)), real)

    with pytest.raises(VersionUnloadableError, match="2 logits"):
        version.warm()


def test_a_model_that_gives_nan_is_bad_output_and_does_not_pass_warming(real, tmp_path):
    version = open_version(tmp_path, make_bundle(), real)
    nan = VOCABULARY.index("nanword")

    with pytest.raises(BadOutputError):
        version.run([Tokens([2, nan, 3], [0, 0, 0])])
    with pytest.raises(BadOutputError):
        version.run_in_background([Tokens([2, nan, 3], [0, 0, 0])])
    version.run([tokens(2, 4, 3)])


def test_a_model_that_gives_nan_for_all_never_becomes_ready(real, tmp_path):
    version = open_version(tmp_path, make_bundle(model=onnx_model(all_nan=True)), real)

    with pytest.raises(VersionUnloadableError, match="not finite"):
        version.warm()


def test_a_model_with_unknown_inputs_is_refused(real, tmp_path):
    model = onnx_model(inputs=("input_ids", "attention_mask", "pixel_values"))

    with pytest.raises(VersionUnloadableError, match="pixel_values"):
        open_version(tmp_path, make_bundle(model=model), real)


def test_what_is_no_model_is_refused(real, tmp_path):
    with pytest.raises(Exception, match=r"(?i)protobuf|load|model"):
        open_version(tmp_path, make_bundle(model=b"not a model"), real)


def test_weights_beside_the_model_are_read(real, tmp_path):
    model, weights = with_data_beside(onnx_model(), "model.onnx.data")
    made = make_bundle(model=model).replacing("model.onnx.data", weights)
    whole = open_version(tmp_path / "whole", make_bundle(), real)

    version = open_version(tmp_path / "parts", made, real)

    batch = rows(3, 10)
    assert version.run(batch) == whole.run(batch)
