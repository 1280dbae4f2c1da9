"""The network: a pretrained encoder, one vector of its tokens', a linear head. `decoder.py` has another."""

import contextlib
import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoConfig, AutoModel
from transformers.utils import logging as transformers_logging

from gnomon.errors import BaseModelMissingError, InvalidRequestError, Violation
from gnomon_trainer.adapters.fine_tuning import lora
from gnomon_trainer.adapters.fine_tuning.dropout import ByteDropout, quicken
from gnomon_trainer.adapters.fine_tuning.encoding import TextEncoder
from gnomon_trainer.adapters.fine_tuning.files import sha256_of
from gnomon_trainer.domain.training import MetricDefinition

# How weights are read: from the folder alone, as data, in full precision.
FROM_FOLDER: Mapping[str, Any] = {
    "local_files_only": True,
    "trust_remote_code": False,
    "use_safetensors": True,
    "dtype": torch.float32,
}

# Their position table starts behind the padding token's index.
_POSITIONS_AFTER_PADDING = {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer"}
# Dropping attention weights slows CPU attention down and gains nothing at these sizes.
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")

# Up to so many tokens, training on a CPU is faster with attention in plain matrix products: the gradient of
# torch's fused kernel took a third of a step at 26 tokens. From about 200 on the fused kernel is faster.
_SHORT = 128


class EvaluatorNetwork(nn.Module):
    """Tokens → logits of shape (instances, classes)."""

    answers_untrained = False  # its head says nothing before it is fitted

    def __init__(self, encoder: nn.Module, hidden_size: int, classes: int, dropout: float) -> None:
        super().__init__()
        quicken(encoder)
        self.encoder = encoder
        self.dropout = ByteDropout(dropout)
        self.head = nn.Linear(hidden_size, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.reads_type_ids = _reads_type_ids(encoder)
        self.pooling = "mean"  # or "first", or "contrast"

    def pool(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Return a vector an instance, shape (instances, hidden size).

        `mean` of its tokens; its `first` token's; or the `contrast` of two texts: the mean of the first
        one's tokens minus that of the second one's, of a text alone just its mean.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        with self._attention(input_ids):
            states = self.encoder(**inputs).last_hidden_state.float()
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        if self.pooling == "first":
            return cast(Tensor, states[:, 0])
        if self.pooling == "contrast" and token_type_ids is not None:
            second = mask * token_type_ids.unsqueeze(-1).to(states.dtype)
            return _mean(states, mask - second) - _mean(states, second)
        return _mean(states, mask)

    @property
    def depth(self) -> int:
        """How many layers the base model has."""
        config: Any = self.encoder.config
        return int(getattr(config, "num_hidden_layers", 0))

    def _attention(self, input_ids: Tensor) -> contextlib.AbstractContextManager[None]:
        if self.training and input_ids.device.type == "cpu" and input_ids.shape[1] <= _SHORT:
            return sdpa_kernel(SDPBackend.MATH)
        return contextlib.nullcontext()

    def classify(self, pooled: Tensor) -> Tensor:
        """Return the logits of pooled vectors; outside autocast, so that they keep all digits."""
        return cast(Tensor, self.head(self.dropout(pooled)))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        return self.classify(self.pool(input_ids, attention_mask, token_type_ids))

    def asking(self, encoder: TextEncoder, metric: MetricDefinition) -> TextEncoder:  # noqa: ARG002
        """Return how the network wants a metric's instances tokenized: here, as its base model does."""
        return encoder

    def learned(self) -> dict[str, Tensor]:
        """Return the weights that a training changes; they go on changing with it."""
        return {name: weight.detach() for name, weight in self.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def restore(self, learned: Mapping[str, Tensor]) -> None:
        """Take over what `learned` returned, of a network of the same base model."""
        own = dict(self.named_parameters())
        for name, weight in learned.items():
            own[name].copy_(weight)


def load_network(
    folder: Path, classes: int, adapter_rank: int = 0, pooling: str = "mean", layers: int = 0
) -> EvaluatorNetwork:
    """Load a base model in fp32 and put a head on it, an encoder's of zeros. Runs no code of its folder.

    With an `adapter_rank` the base model is frozen, and adapters beside its layers learn. With `layers`,
    those above are left out.

    Raises:
        BaseModelMissingError: the folder holds no model in safetensors that transformers knows.
        InvalidRequestError: the base model cannot be read so.
    """
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        network = _load(folder, classes)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BaseModelMissingError(
            f"The base model in {folder.name!r} cannot be loaded: {error}. It needs config.json and weights "
            "in safetensors, of an encoder or decoder that transformers knows without code of its own."
        ) from error
    if pooling == "contrast" and not network.reads_type_ids:
        why = f"the base model in {folder.name!r} does not tell two texts apart"
        raise _unfit("pooling", repr(pooling), f"{why}. Use 'mean', or another base model")
    if pooling != "mean" and network.answers_untrained:
        why = f"the base model in {folder.name!r} answers at the last token of a prompt"
        raise _unfit("pooling", repr(pooling), f"{why}. Leave it out, or take an encoder as base model")
    network.pooling = pooling
    if layers:
        _keep(network, layers)
    if adapter_rank:
        lora.adapt(network.encoder, adapter_rank)
    return network


def _keep(network: EvaluatorNetwork, layers: int) -> None:
    """Leave out the base model's layers above the first so many."""
    depth = network.depth
    stacks = [
        (parent, name)
        for parent in network.encoder.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == depth
    ]
    if layers > depth or len(stacks) != 1:
        most = depth if stacks else 0
        raise _unfit("layers", str(layers), f"with this base model it must be in [0, {most}]")
    (parent, name), config = stacks[0], cast(Any, network.encoder.config)
    setattr(parent, name, cast(nn.ModuleList, getattr(parent, name))[:layers])
    config.num_hidden_layers = layers


def _unfit(name: str, value: str, why: str) -> InvalidRequestError:
    field = f"parameters.{name}"
    return InvalidRequestError(f"{field} is {value}; {why}.", violations=[Violation(field, why)])


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    return (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def _load(folder: Path, classes: int) -> EvaluatorNetwork:
    from gnomon_trainer.adapters.fine_tuning import decoder  # it builds on this module

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for key in _ATTENTION_DROPOUT:
        if hasattr(config, key):
            setattr(config, key, 0.0)
    config.use_cache = False  # a decoder's keys and values are for generating text
    if decoder.is_decoder(config):
        return decoder.load_decoder(folder, config, classes)
    encoder = AutoModel.from_pretrained(
        folder,
        config=config,
        **FROM_FOLDER,
        **({"attn_implementation": "eager"} if config.model_type == "deberta-v2" else {}),
    )
    if isinstance(getattr(encoder, "pooler", None), nn.Module):
        encoder.pooler = None  # reads the first token only; nothing here asks for it
    dropout = float(getattr(config, "hidden_dropout_prob", None) or getattr(config, "dropout", None) or 0.1)
    return EvaluatorNetwork(encoder, int(config.hidden_size), classes, dropout)


def longest_input(network: EvaluatorNetwork) -> int | None:
    """Return the most tokens that the encoder has positions for; None if it has no such limit."""
    config: Any = network.encoder.config
    positions = getattr(config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return None
    return int(positions) - 2 * (config.model_type in _POSITIONS_AFTER_PADDING)


def padding_id(network: EvaluatorNetwork) -> int:
    config: Any = network.encoder.config
    return int(getattr(config, "pad_token_id", None) or 0)


def base_model_digest(folder: Path) -> str:
    """Return SHA-256 over the files that a training reads."""
    files = sorted([folder / "config.json", folder / "tokenizer.json", *folder.glob("*.safetensors")])
    lines = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files if file.is_file())
    return hashlib.sha256(lines.encode()).hexdigest()


def _reads_type_ids(encoder: nn.Module) -> bool:
    config: Any = encoder.config
    knows = "token_type_ids" in inspect.signature(encoder.forward).parameters
    return knows and int(getattr(config, "type_vocab_size", 0) or 0) > 1
