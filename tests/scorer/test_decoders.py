"""A decoder's bundle is served as any other: the scorer knows nothing of prompts and letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, Metaspace, Sequence

from gnomon import tokenizing
from gnomon.bundle import parse_evaluator
from gnomon.convert import instance_to_proto
from gnomon.rendering import Rendered
from gnomon.tokenizing import JsonTokenizer
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


@pytest.mark.slow
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


def byte_level(splitter):
    """Return a tokenizer as decoders have them, that knows all bytes and a few merges."""
    merges = [("Ġ", "a"), ("Ġ", "Ġ"), ("Ċ", "Ċ"), ("Ġ", "Ċ"), ("a", "b"), (".", "Ċ"), ("1", "2"), ("Ġa", "b")]
    pieces = [*sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = splitter
    return tokenizer


SPLITTERS = {
    "gpt2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
}


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@given(text=st.text("ab12.'é \t\n\u3000\x1c", max_size=60))
def test_a_decoders_long_text_read_in_pieces_gives_the_tokens_of_the_whole(splitter, text):
    tokenizer = byte_level(splitter)
    reader = JsonTokenizer.read(tokenizer.to_str())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "_CHUNK", 3)
        (tokens,) = reader.encode([Rendered(text)], 1_000)
    assert reader._is_local
    assert tokens.ids == tokenizer.encode(text).ids


@pytest.mark.parametrize(
    "splitter",
    [
        ByteLevel(add_prefix_space=True),
        ByteLevel(add_prefix_space=False, use_regex=False),
        Sequence([Metaspace(), ByteLevel(add_prefix_space=False)]),
    ],
)
def test_a_tokenizer_that_minds_where_a_text_begins_reads_it_whole(splitter):
    assert not JsonTokenizer.read(byte_level(splitter).to_str())._is_local
