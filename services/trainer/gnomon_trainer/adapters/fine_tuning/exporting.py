"""From the trained network to a file that needs no torch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import onnx
import torch

from gnomon.bundle import ONNX_FP32
from gnomon.errors import TrainingFailedError
from gnomon_trainer.adapters.fine_tuning import lora
from gnomon_trainer.adapters.fine_tuning.network import EvaluatorNetwork

_OPSET = 18
_LARGEST_FILE = 1_900_000_000  # protobuf ends at 2 GiB
_MOST_INSTANCES = 65_536


class Exporter(Protocol):
    """Writes one format. `path` is its main file inside the bundle."""

    format: str
    path: str

    def export(self, network: EvaluatorNetwork, max_tokens: int, folder: Path) -> None:
        """Write the network, which is on the CPU in fp32, into a folder.

        Raises:
            TrainingFailedError: the network cannot be written in this format.
            OSError: the disk is full or away.
        """
        ...


class OnnxExporter:
    """ONNX in fp32: int64 tokens (batch, length) → logits (batch, classes), pooling and head included."""

    format = ONNX_FP32
    path = "model.onnx"

    def export(self, network: EvaluatorNetwork, max_tokens: int, folder: Path) -> None:
        network.eval()
        with lora.merged(network.encoder):  # until all is written: the program refers to the weights
            program = self._program(network, max_tokens)
            size = sum(p.numel() * p.element_size() for p in network.parameters())
            if size > _LARGEST_FILE:
                program.save(folder / self.path, external_data=True)
            else:
                model = program.model_proto
                _drop_notes(model)
                onnx.save(model, folder / self.path)

    def _program(self, network: EvaluatorNetwork, max_tokens: int) -> Any:
        names = ["input_ids", "attention_mask", *(["token_type_ids"] if network.reads_type_ids else [])]
        # A batch or a length of 1 would be taken for a constant, one tensor given twice for one input.
        shape = (2, min(8, max_tokens))
        inputs = {name: torch.ones(shape, dtype=torch.int64) for name in names}
        batch = torch.export.Dim("batch", min=1, max=_MOST_INSTANCES)
        length = torch.export.Dim("length", min=1, max=max_tokens)
        try:
            with _quiet(), torch.no_grad():
                program: Any = torch.onnx.export(
                    network,
                    (),
                    kwargs=inputs,
                    input_names=names,
                    output_names=["logits"],
                    opset_version=_OPSET,
                    dynamo=True,
                    dynamic_shapes={name: {0: batch, 1: length} for name in names},
                    optimize=False,
                    verbose=False,
                )
                _tidy(program)
                return program
        except torch.onnx.errors.OnnxExporterError as error:
            raise TrainingFailedError(
                f"The evaluator cannot be written as ONNX: {str(error).splitlines()[0]} "
                "Choose a recipe with another base model.",
                format=self.format,
            ) from error


def _tidy(program: Any) -> None:
    """Fold constants and drop what is there twice or for nothing.

    It is what `optimize=True` does, but for its rewriting rules: they took a
    minute for 30 layers, and what they save, the runtimes save when they read
    the file.
    """
    from onnxscript import ir, optimizer

    passes = ir.passes.common
    optimizer.inline(program.model)
    optimizer.fold_constants(program.model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(program.model)
    for each in (
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.LiftSubgraphInitializersToMainGraphPass(),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.OutputFixPass(),
        passes.NameFixPass(),
    ):
        each(program.model)  # in place


def _drop_notes(model: onnx.ModelProto) -> None:
    """Drop what no runtime reads: shapes that quantisation trips over, and stack traces with local paths."""
    graph = model.graph
    graph.ClearField("value_info")
    for part in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *model.functions,
    ):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's deprecation warnings and its list of absent packages; errors still raise."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
