"""A Llama of a few thousand weights, and trainings that make an evaluator of it in seconds."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon_trainer.domain.training import TrainingPlan
from tests.trainer.fine_tuning import tiny

LETTERS = ["A", "B", "C", "D", "E"]


def words(letters: Sequence[str] = LETTERS) -> list[str]:
    """Return the vocabulary, in the order of the tokens' IDs."""
    return [
        *("<pad>", "<unk>", "<s>", "</s>"),
        *("Input", "Output", "Question", "gloom", "false", "true", "Answer", ":", "?", ","),
        *letters,
        *tiny.GOOD,
        *tiny.BAD,
        *tiny.FILLERS,
    ]


WORDS = words()


def make_base_model(folder: Path, letters: Sequence[str] = LETTERS) -> Path:
    """Write a tiny, almost random Llama in the layout of transformers, with marks around its texts."""
    folder.mkdir(parents=True)
    vocabulary = words(letters)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=0.3,  # so that even random weights tell words apart
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # as pretraining would, tell the two kinds of words apart
        vectors = model.model.embed_tokens.weight
        direction = 2 * torch.randn(config.hidden_size)
        vectors[[vocabulary.index(word) for word in tiny.GOOD]] += direction
        vectors[[vocabulary.index(word) for word in tiny.BAD]] -= direction
    model.save_pretrained(folder)
    return folder


def plan(rows: int = 80, **parameters: float) -> TrainingPlan:
    """Return a plan with adapters, whose prompt leaves room for all of the rows."""
    return tiny.plan(rows=rows, **{"max_tokens": 64, "adapter_rank": 4, "learning_rate": 3e-3, **parameters})
