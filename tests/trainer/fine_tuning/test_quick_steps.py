"""What makes a training step quick changes nothing of what it computes, but for last digits."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gnomon.tokens import Tokens
from gnomon_trainer.adapters.fine_tuning import batches, vocabulary
from gnomon_trainer.adapters.fine_tuning.dropout import ByteDropout, quicken
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork, load_network

ROWS = [Tokens([2, 9, 7, 3], [0] * 4), Tokens([2, 11, 3], [0] * 3)]
USED = [0, 2, 3, 7, 9, 11]


def step(network: EvaluatorNetwork) -> None:
    """Move the weights once, along the gradient and with some decay."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, weight_decay=0.1)
    network.pool(**batches.tensors(ROWS, network, "cpu")).square().sum().backward()
    optimizer.step()


def test_a_narrow_vocabulary_learns_what_the_whole_one_would_learn(base_model: Path) -> None:
    whole, narrow = load_network(base_model, 2), load_network(base_model, 2)
    before = whole.encoder.get_input_embeddings().weight.detach().clone()
    vocabulary.narrow(narrow, ROWS)
    assert narrow.encoder.get_input_embeddings().weight.shape[0] == len(USED)
    torch.testing.assert_close(narrow.state_dict()["encoder.embeddings.word_embeddings.weight"], before[USED])
    step(whole)
    step(narrow)
    vocabulary.widen(narrow)
    expected, found = whole.state_dict(), narrow.state_dict()
    assert expected.keys() == found.keys()
    table = "encoder.embeddings.word_embeddings.weight"
    for name in expected:
        if name != table:
            torch.testing.assert_close(found[name], expected[name])
    torch.testing.assert_close(found[table][USED], expected[table][USED])
    assert not torch.equal(found[table][USED], before[USED])
    unused = [token for token in range(len(before)) if token not in USED]
    assert torch.equal(found[table][unused], before[unused])  # not even decayed


def test_a_token_outside_of_the_narrow_vocabulary_is_an_error_and_not_another_token(base_model: Path) -> None:
    network = load_network(base_model, 2)
    vocabulary.narrow(network, ROWS)
    with pytest.raises(IndexError):
        network.pool(**batches.tensors([Tokens([2, 8, 3], [0] * 3)], network, "cpu"))


def test_a_table_that_is_not_trained_is_left_alone(base_model: Path) -> None:
    network = load_network(base_model, 2)
    network.encoder.get_input_embeddings().requires_grad_(False)
    table = network.encoder.get_input_embeddings()
    vocabulary.narrow(network, ROWS)
    vocabulary.widen(network)
    assert network.encoder.get_input_embeddings() is table


def test_dropout_drops_its_share_keeps_the_mean_and_follows_the_seed() -> None:
    dropout, ones = ByteDropout(0.1), torch.ones(1_001, 1_003)
    torch.manual_seed(0)
    first = dropout(ones)
    torch.manual_seed(0)
    assert torch.equal(first, dropout(ones))
    assert not torch.equal(first, dropout(ones))
    assert (first == 0).float().mean().item() == pytest.approx(26 / 256, abs=0.002)
    assert first.unique().tolist() == pytest.approx([0.0, 256 / 230])
    assert first.mean().item() == pytest.approx(1.0, abs=0.002)
    assert torch.equal(dropout.eval()(ones), ones)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_dropout_passes_where_the_value_does(dtype: torch.dtype) -> None:
    values = torch.ones(64, 64, dtype=dtype, requires_grad=True)
    kept = ByteDropout(0.5)(values)
    kept.sum().backward()
    assert kept.dtype is dtype
    assert values.grad is not None
    assert torch.equal(values.grad, kept)


def test_every_dropout_that_drops_is_made_quick_and_no_other() -> None:
    module = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.0), nn.Dropout(0.3).eval()))
    quicken(module)
    assert [(type(m), m.p, m.training) for m in module.modules() if isinstance(m, nn.Dropout)] == [
        (ByteDropout, 0.1, True),
        (nn.Dropout, 0.0, True),
        (ByteDropout, 0.3, False),
    ]


@pytest.mark.parametrize("length", [9, 150])
def test_training_reads_texts_as_scoring_does_but_for_dropout(tmp_path: Path, length: int) -> None:
    network = load_network(longer_model(tmp_path), 2)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    rows = [Tokens([4] * length, [0] * length), Tokens([2, 3], [0] * 2)]
    inputs = batches.tensors(rows, network, "cpu")
    trained = network.train().pool(**inputs)
    torch.testing.assert_close(trained, network.eval().pool(**inputs))


def longer_model(folder: Path) -> Path:
    """Write a model that reads more tokens than attention in plain matrix products is for."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder)
    return folder
