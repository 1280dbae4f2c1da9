"""A decoder's bundle is served as any other: the scorer knows nothing of prompts and letters."""

import pytest

from gnomon.bundle import parse_evaluator
from gnomon.convert import instance_to_proto
from gnomon.rendering import Rendered
from gnomon_scorer.adapters.tokenizers import TokenizerFiles
from tests.scorer.backends import ONNX_FORMATS, open_version, skip_without
from tests.scorer.evaluators import MadeBundle
from tests.scorer.serving import logits_of
from tests.trainer.fine_tuning import tiny, tiny_decoder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoder")
    base_model = tiny_decoder.make_base_model(folder / "model")
    return tiny.train(base_model, folder / "run", tiny_decoder.plan(rows=40, epochs=1), interval_s=60.0)


@pytest.fixture(scope="module")
def made(trained):
    contents = tiny.contents(trained.bundle_folder)
    return MadeBundle(parse_evaluator(contents["evaluator.json"]), contents)


async def test_a_scorer_gives_the_trainers_logits_for_a_decoder(caller, registry, trained, made):
    registry.register("gloom/1", made)
    rows = tiny.boolean_rows(60, 2)
    response = await caller.score("gloom/1", *(instance_to_proto(row.instance) for row in rows))

    predictions = tiny.read_lines(trained.predictions_path)
    for result, predicted in zip(response.results, predictions, strict=True):
        assert logits_of(result.outcomes[0]) == pytest.approx(predicted["logits"], abs=1e-5)
        assert result.outcomes[0].score.label == predicted["label"]
        assert result.outcomes[0].score.token_count == predicted["token_count"]


@pytest.mark.parametrize("format_", ONNX_FORMATS)
def test_every_engine_reads_a_decoder_out_at_its_last_token_whoever_is_beside_it(tmp_path, made, format_):
    skip_without(format_)
    version = open_version(tmp_path, made, format_)
    tokenizer = TokenizerFiles().load(tmp_path / "bundle" / "tokenizer.json")
    rows = tokenizer.encode([Rendered("sun " * n, "w1 w2") for n in (1, 5, 20)], 64)
    together = version.run(rows)
    alone = [version.run([row])[0] for row in rows]
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=2e-2 if format_ == "openvino-bf16" else 1e-4)
