"""An evaluator on a Triton server: the model repository, and the client that turns its logits into scores.

    gnomon.Client().versions.export_triton("toxicity@3", "repository")
    # tritonserver --model-repository=repository
    with TritonEvaluator("127.0.0.1:8001", "repository/toxicity") as evaluator:
        evaluator.score([text_span(output="…")])

Needs `pip install 'gnomon[triton]'`; nothing else of the SDK imports this.
"""

from gnomon.triton.client import TritonEvaluator
from gnomon.triton.repository import Serving, write_repository

__all__ = ["Serving", "TritonEvaluator", "write_repository"]
