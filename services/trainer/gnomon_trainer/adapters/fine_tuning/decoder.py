"""A decoder as an evaluator: a prompt asks for the class, and letters are the answers.

The logits of the letters' tokens, at the last token of the prompt, are those
of the classes: the rows of these tokens in the base model's output layer are
the head that the training starts with, and all that is kept of that layer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from gnomon.bundle import TOKENIZER_FILE
from gnomon.errors import TrainingFailedError
from gnomon_trainer.adapters.fine_tuning import prompting
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from gnomon_trainer.adapters.fine_tuning.network import FROM_FOLDER, EvaluatorNetwork
from gnomon_trainer.domain.prompts import prompt_for
from gnomon_trainer.domain.training import MetricDefinition

_LEAST_TEXT = 8  # tokens of `max_tokens` that the prompt must leave


class DecoderNetwork(EvaluatorNetwork):
    """Tokens, padded on the right → logits of shape (instances, classes).

    `rows` of the output layer, shape (classes, hidden size), are those of the `answers`.
    """

    answers_untrained = True

    def __init__(self, decoder: nn.Module, rows: Tensor, answers: Sequence[str]) -> None:
        classes, hidden_size = rows.shape
        super().__init__(decoder, hidden_size, classes, dropout=0.0)
        with torch.no_grad():
            self.head.weight.copy_(rows)
        self._answers = answers

    def pool(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,  # noqa: ARG002  decoders have none
    ) -> Tensor:
        """Return the vector of each instance's last token, which has seen all others."""
        # A token sees none behind it, so that padding on the right changes nothing.
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        every = torch.arange(input_ids.shape[0], device=input_ids.device)
        last = (attention_mask.sum(1) - 1).clamp(min=0)
        found: Tensor = states.last_hidden_state[every, last].float()
        return found

    def asking(self, encoder: TextEncoder, metric: MetricDefinition) -> TextEncoder:
        """Return how a metric's instances are tokenized: each within the metric's prompt.

        Raises:
            TrainingFailedError: the prompt leaves no room for a text.
        """
        asking = encoder.with_prompt(prompt_for(metric, self._answers))
        least = asking.overhead + _LEAST_TEXT
        if asking.max_tokens < least:
            raise TrainingFailedError(
                f"max_tokens is {asking.max_tokens}; with the prompt it must be {least} at least. Raise it."
            )
        return asking


def is_decoder(config: Any) -> bool:
    """Tell whether a base model writes text: whether its weights are of a causal language model."""
    return any(name.endswith("ForCausalLM") for name in config.architectures or ())


def load_decoder(folder: Path, config: Any, classes: int) -> DecoderNetwork:
    """Load a base model in fp32. Runs no code of the model's folder.

    Raises what transformers raises, and BaseModelMissingError if there are not enough answers.
    """
    answers = prompting.answers((folder / TOKENIZER_FILE).read_text("utf-8"), classes)
    whole: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        **FROM_FOLDER,
    )
    rows = whole.get_output_embeddings().weight.detach()[[answer.token for answer in answers]]
    return DecoderNetwork(whole.base_model, rows, [answer.text for answer in answers])
