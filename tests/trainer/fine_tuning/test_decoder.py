"""A decoder, from its weights to a bundle: what it is asked, what it learns, what is exported."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, LlamaConfig, PretrainedConfig, Qwen2Config, Qwen3Config

from gnomon.bundle import parse_evaluator
from gnomon.cells import instance
from gnomon.errors import BaseModelMissingError, InvalidRequestError, TrainingFailedError
from gnomon.instances import Step
from gnomon.rendering import Rendered, render
from gnomon.tokenizing import JsonTokenizer
from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import gate, judging, lora, optimizing, probe, prompting, vocabulary
from gnomon_trainer.adapters.fine_tuning.batches import tensors
from gnomon_trainer.adapters.fine_tuning.decoder import DecoderNetwork
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from gnomon_trainer.adapters.fine_tuning.exporting import OnnxExporter
from gnomon_trainer.adapters.fine_tuning.judging import Best
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network
from gnomon_trainer.adapters.fine_tuning.scoring import OnnxEvaluator
from gnomon_trainer.domain.prompts import Prompt, letters
from gnomon_trainer.domain.training import Trained
from tests.trainer.fine_tuning import tiny, tiny_decoder
from tests.trainer.fine_tuning.test_resuming import KilledError

PROMPT = Prompt("Input :", "Output :", "Answer :")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_decoder.make_base_model(tmp_path_factory.mktemp("models") / "tiny-decoder")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


@pytest.fixture(scope="module")
def trained(decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return tiny.train(decoder, tmp_path_factory.mktemp("decoder"), tiny_decoder.plan(), interval_s=60.0)


def encoder_of(folder: Path, max_tokens: int = 64) -> TextEncoder:
    return TextEncoder.of_base_model(folder, max_tokens)


def words_of(ids: list[int]) -> str:
    return " ".join(tiny_decoder.WORDS[token] for token in ids)


def disturb(network: EvaluatorNetwork) -> None:
    """Give the adapters something to say, as a training would."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)


# --------------------------------------------------------------------- the prompt


def test_the_prompt_stands_around_every_text_in_the_tokenizer_alone(decoder: Path) -> None:
    content = encoder_of(decoder).with_prompt(PROMPT).to_json()
    tokenizer = Tokenizer.from_str(content)
    assert words_of(tokenizer.encode("sun w1").ids) == "<s> Input : sun w1 Answer :"
    assert words_of(tokenizer.encode("sun", "w2 w3").ids) == "<s> Input : sun Output : w2 w3 Answer :"


@pytest.mark.parametrize("max_tokens", [13, 16, 64])
def test_what_is_too_long_is_cut_between_the_prompts_words(decoder: Path, max_tokens: int) -> None:
    encoder = encoder_of(decoder, max_tokens).with_prompt(PROMPT)
    single, pair = Rendered("w1 " * 9), Rendered("w1 " * 30, "w2 " * 4)
    alone = Tokenizer.from_str(encoder.to_json())
    for rendered in (single, pair):
        read = encoder.read(rendered)
        assert list(read.windows[0].ids) == alone.encode(rendered.text, rendered.pair).ids
        said = words_of(list(read.windows[0].ids))
        assert said.startswith("<s> Input : w1")
        assert said.endswith(" Answer :")
        assert len(read.windows[0]) <= max_tokens


@pytest.mark.slow
def test_every_window_is_asked_the_same_question(decoder: Path, tmp_path: Path) -> None:
    what = tiny_decoder.plan(rows=40, epochs=1, max_tokens=40, window_stride=3, max_windows=4)
    trained = tiny.train(decoder, tmp_path, what)
    evaluator = parse_evaluator((trained.bundle_folder / "evaluator.json").read_bytes())
    tokenizer = JsonTokenizer.read((trained.bundle_folder / "tokenizer.json").read_text())
    long = Rendered("w1 " * 40, "w2 w3")
    (reading,) = tokenizer.encode_windows([long], evaluator.max_tokens, evaluator.windows)
    assert len(reading.windows) == 4
    for window in reading.windows:
        said = words_of(list(window.ids))
        assert said.startswith("<s> Input :")
        assert said.endswith("w2 w3 Question : gloom ? A : false , B : true Answer :")


def test_a_session_loses_its_middle_and_never_its_question(decoder: Path) -> None:
    encoder = encoder_of(decoder, 40).with_prompt(Prompt("Input :", ":", "Question : gloom ? Answer :"))
    talk = [{"role": "user", "content": "w1 " * 60}, {"role": "assistant", "content": "storm"}] * 3
    read = encoder.read(render(instance({"messages": talk}, Step.SESSION), "whole-session/2", Step.SESSION))
    (window,) = read.windows
    said = words_of(list(window.ids))
    assert read.truncated
    assert len(window) <= 40
    assert said.startswith("<s> Input :")
    assert said.endswith("storm Question : gloom ? Answer :")


def test_a_prompt_that_leaves_no_room_says_what_max_tokens_must_be(decoder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailedError, match="max_tokens is 20; with the prompt it must be 26 at least"):
        tiny.train(decoder, tmp_path, tiny_decoder.plan(rows=40, max_tokens=20))


def test_every_class_has_a_token_of_its_own(decoder: Path) -> None:
    content = (decoder / "tokenizer.json").read_text()
    found = prompting.answers(content, 5)
    assert [answer.text for answer in found] == tiny_decoder.LETTERS
    assert [tiny_decoder.WORDS[answer.token] for answer in found] == tiny_decoder.LETTERS
    with pytest.raises(BaseModelMissingError, match="6 classes, and only 5 letters"):
        prompting.answers(content, 6)


def test_there_are_answers_for_many_classes(tmp_path: Path) -> None:
    many = list(itertools.islice(letters(), 77))
    folder = tiny_decoder.make_base_model(tmp_path / "model", many)
    found = prompting.answers((folder / "tokenizer.json").read_text(), 77)
    assert [answer.text for answer in found] == many
    assert found[76].text == "BY"
    assert len({answer.token for answer in found}) == 77
    assert load_network(folder, 77).head.weight.shape == (77, 32)


def test_an_unknown_word_is_no_answer() -> None:
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "A": 1}, unk_token="<unk>"))
    with pytest.raises(BaseModelMissingError, match="2 classes, and only 1 letters"):
        prompting.answers(tokenizer.to_str(), 2)


# -------------------------------------------------------------------- the network


def test_an_untrained_decoder_says_what_the_language_model_says_of_the_letters(decoder: Path) -> None:
    network = load_network(decoder, 3, adapter_rank=4).eval()
    assert isinstance(network, DecoderNetwork)
    encoder = encoder_of(decoder).with_prompt(PROMPT)
    row = encoder.encode(Rendered("sun w1 w2"))
    whole = AutoModelForCausalLM.from_pretrained(decoder).eval()
    with torch.no_grad():
        said = whole(torch.tensor([row.ids])).logits[0, -1]
        logits = network(**tensors([row], network, "cpu"))[0]
    ids = [tiny_decoder.WORDS.index(letter) for letter in "ABC"]
    assert torch.allclose(logits, said[ids], atol=1e-5)


@pytest.mark.parametrize("pooling", ["first", "contrast"])
def test_a_decoder_reads_in_no_other_way(decoder: Path, pooling: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"pooling is '{pooling}'") as caught:
        load_network(decoder, 2, pooling=pooling)
    assert [violation.field for violation in caught.value.violations] == ["parameters.pooling"]


def test_padding_and_neighbours_change_nothing(decoder: Path) -> None:
    network = load_network(decoder, 2, adapter_rank=4).eval()
    disturb(network)
    encoder = encoder_of(decoder).with_prompt(PROMPT)
    rows = [encoder.encode(Rendered("sun " * count)) for count in (1, 7, 30)]
    with torch.no_grad():
        together = network(**tensors(rows, network, "cpu"))
        alone = torch.cat([network(**tensors([row], network, "cpu")) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)


def test_adapters_are_merged_for_a_while_and_score_the_same(decoder: Path) -> None:
    network = load_network(decoder, 2, adapter_rank=4).eval()
    row = encoder_of(decoder).with_prompt(PROMPT).encode(Rendered("sun w1"))
    inputs = tensors([row], network, "cpu")
    with torch.no_grad():
        untouched = network(**inputs)
        disturb(network)
        before = network(**inputs)
        with lora.merged(network.encoder):
            inside = network(**inputs)
            for name, weight in network.named_parameters():
                if "lora_" in name:
                    weight.zero_()  # they are in the weights, and not counted twice
            assert torch.equal(network(**inputs), inside)
    assert not torch.allclose(before, untouched, atol=1e-3)
    assert torch.allclose(inside, before, atol=1e-5)


def test_without_a_rank_the_whole_decoder_learns(decoder: Path) -> None:
    whole, adapted = load_network(decoder, 2), load_network(decoder, 2, adapter_rank=2)
    assert len(whole.learned()) == len(list(whole.parameters()))
    assert {name.rpartition("lora_")[2].partition(".")[0] for name in adapted.learned()} == {
        "A", "B", "head"
    }  # fmt: skip


def test_the_embeddings_of_a_decoder_with_adapters_stay_whole_and_as_they_are(decoder: Path) -> None:
    network = load_network(decoder, 2, adapter_rank=4)
    table = network.encoder.get_input_embeddings()  # type: ignore[operator]
    vocabulary.narrow(network, [Tokens([5, 6], [0, 0])])
    assert network.encoder.get_input_embeddings() is table  # type: ignore[operator]
    assert not table.weight.requires_grad


def test_of_a_decoder_without_adapters_the_used_embeddings_learn(decoder: Path) -> None:
    network: Any = load_network(decoder, 2).eval()
    before = network.encoder.get_input_embeddings().weight.detach().clone()
    row = Tokens([5, 6], [0, 0])
    with torch.no_grad():
        logits = network(**tensors([row], network, "cpu"))
        vocabulary.narrow(network, [row])
        assert torch.equal(network(**tensors([row], network, "cpu")), logits)
        network.encoder.get_input_embeddings().weight += 1
        vocabulary.widen(network)
    table = network.encoder.get_input_embeddings()
    changed = (table.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [0, 5, 6]  # padding is among them
    assert table.weight.requires_grad


def other_decoders() -> list[Any]:
    common = {
        "vocab_size": len(tiny_decoder.WORDS),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 128,
        "pad_token_id": 0,
    }
    return [
        pytest.param(Qwen2Config(**common, tie_word_embeddings=False), id="qwen2-with-an-output-layer"),
        pytest.param(
            Qwen3Config(**common, head_dim=8, tie_word_embeddings=True), id="qwen3", marks=pytest.mark.slow
        ),
        pytest.param(
            LlamaConfig(**common, tie_word_embeddings=False),
            id="llama-with-an-output-layer",
            marks=pytest.mark.slow,
        ),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("config", other_decoders())
def test_decoders_of_other_families_are_asked_and_exported(
    config: PretrainedConfig, decoder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    whole = AutoModelForCausalLM.from_config(config).eval()
    whole.save_pretrained(tmp_path)
    shutil.copy(decoder / "tokenizer.json", tmp_path)
    network = load_network(tmp_path, 2, adapter_rank=2).eval()
    row = encoder_of(tmp_path).with_prompt(PROMPT).encode(Rendered("sun w1"))
    ids = [tiny_decoder.WORDS.index(letter) for letter in "AB"]
    with torch.no_grad():
        said = whole(torch.tensor([row.ids])).logits[0, -1][ids]
        assert torch.allclose(network(**tensors([row], network, "cpu"))[0], said, atol=1e-5)
        disturb(network)
        logits = network(**tensors([row], network, "cpu"))[0]
    assert not torch.allclose(logits, said, atol=1e-3)

    OnnxExporter().export(network, 64, tmp_path)
    exported = OnnxEvaluator(tmp_path / "model.onnx")
    assert exported.logits([row])[0] == pytest.approx(logits.numpy(), abs=1e-4)


@pytest.mark.slow
def test_an_encoder_learns_by_adapters_as_well(base_model: Path, tmp_path: Path) -> None:
    what = tiny.plan(rows=40, epochs=1, adapter_rank=2, learning_rate=1e-2)
    trained = tiny.train(base_model, tmp_path, what)
    assert trained.report["formats"][0]["passed"]


# --------------------------------------------------------------- a whole training


@pytest.mark.slow
def test_a_trained_decoder_is_a_bundle_like_any_other(trained: Trained) -> None:
    folder = trained.bundle_folder
    assert sorted(tiny.contents(folder)) == [
        "MODEL_CARD.md", "evaluator.json", "model.onnx", "report.json", "tokenizer.json"
    ]  # fmt: skip
    model = onnx.load(folder / "model.onnx")
    assert [entry.name for entry in model.graph.input] == ["input_ids", "attention_mask"]
    for entry in model.graph.input:
        assert [d.dim_param for d in entry.type.tensor_type.shape.dim] == ["batch", "length"]
    assert not [entry.name for entry in model.graph.initializer if "lora" in entry.name]
    assert trained.report["formats"][0]["passed"]
    measures = {m["key"]: m["value"] for m in trained.report["measures"]}
    majority = next(b for b in trained.report["baselines"] if b["key"] == "majority_class")
    assert measures["macro_f1"] > majority["measures"][1]["value"] + 0.2


def test_the_card_of_an_evaluator_names_the_licence_of_its_base_model(trained: Trained) -> None:
    card = (trained.bundle_folder / "MODEL_CARD.md").read_text()
    assert "The base model's licence is `mit`; the evaluator is made from it." in card


def test_the_gate_looks_at_fewer_rows_where_each_is_much_work(
    decoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_network(decoder, 2, adapter_rank=4)
    rows = [Tokens([5] * 10, [0] * 10) for _ in range(300)]
    table = network.encoder.get_input_embeddings().weight  # type: ignore[operator]
    weights = sum(p.numel() for p in network.parameters()) - table.numel()
    assert gate.rows_to_see(network, rows) == 256
    assert gate.rows_to_see(network, rows[:7]) == 7
    monkeypatch.setattr(gate, "_MOST_WORK", weights * 10 * 100.5)
    assert gate.rows_to_see(network, rows) == 100
    assert len(gate.reference_logits(network, rows, lambda: None)) == 100
    monkeypatch.setattr(gate, "_MOST_WORK", 1)
    assert gate.rows_to_see(network, rows) == 64


def test_the_bundle_alone_gives_the_predictions(trained: Trained) -> None:
    folder = trained.bundle_folder
    evaluator = parse_evaluator((folder / "evaluator.json").read_bytes())
    tokenizer = JsonTokenizer.read((folder / "tokenizer.json").read_text())
    alone = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = OnnxEvaluator(folder / "model.onnx")
    predictions = tiny.read_lines(trained.predictions_path)
    for row, predicted in zip(tiny.boolean_rows(60, 2), predictions, strict=True):
        rendered = render(row.instance, evaluator.template, evaluator.step)
        (tokens,) = tokenizer.encode([rendered], evaluator.max_tokens)
        assert alone.encode(rendered.text, rendered.pair).ids == tokens.ids
        assert words_of(list(tokens.ids)).endswith("Question : gloom ? A : false , B : true Answer :")
        logits = model.logits([tokens])[0].tolist()
        assert logits == pytest.approx(predicted["logits"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 8])
def test_an_own_head_that_is_better_than_a_fitted_one_is_what_both_passes_begin_with(
    decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whether that head or a later `step` is best in the end."""
    fitted = []
    own_fitted_and_later = iter([0.5, 0.4])

    def fit(**rows: Any) -> Any:
        fitted.append(len(rows["training"]))
        return probe.head_by_folds(**rows)

    def measured(at: int, *rest: Any) -> Best:
        found = judging.measured(at, *rest)
        return replace(found, auroc=next(own_fitted_and_later, float(at == step)))

    monkeypatch.setattr(optimizing, "head_by_folds", fit)
    monkeypatch.setattr(optimizing, "measured", measured)
    what = tiny_decoder.plan(epochs=1)
    what = replace(what, parameters=replace(what.parameters, final_rows="all"))
    trained = tiny.train(decoder, tmp_path, what, interval_s=60.0)
    assert fitted == [60]  # in the first pass, and not of all 80
    warnings = " ".join(trained.report["warnings"])
    assert ("did not improve on what the base model answers by itself" in warnings) == (step == 0)
    assert ("learned from all rows" in warnings) == (step > 0)
    assert "linear head" not in warnings


def test_checkpoints_hold_what_is_learned_and_not_the_base_model(decoder: Path, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        tiny.train(decoder, tmp_path, tiny_decoder.plan(), tiny.StopsAt(24, KilledError()))
    newest = max((tmp_path / "checkpoints").iterdir())
    with safe_open(newest / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert {"head.weight", "head.bias"} < set(names)
    assert all("lora_" in name or name.startswith("head.") for name in names)


@pytest.mark.parametrize("call", [9, pytest.param(24, marks=pytest.mark.slow)])
def test_a_killed_training_of_a_decoder_ends_as_an_undisturbed_one(
    decoder: Path, tmp_path: Path, trained: Trained, call: int
) -> None:
    with pytest.raises(KilledError):
        tiny.train(decoder, tmp_path, tiny_decoder.plan(), tiny.StopsAt(call, KilledError()))
    resumed = tiny.train(decoder, tmp_path, tiny_decoder.plan(), interval_s=60.0)
    assert tiny.contents(resumed.bundle_folder) == tiny.contents(trained.bundle_folder)
