"""A Triton server's gRPC face around an exported model: KServe's protocol, answered by ONNX Runtime."""

import contextlib
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves one repository's models from their own `config.pbtxt` and `model.onnx`.

    `shapes`: those of the requests, as they came. `alter` changes the logits before they leave.
    """

    def __init__(self, repository: Path) -> None:
        self.configs: dict[str, Any] = {}
        self._sessions = {}
        for file in repository.glob("*/config.pbtxt"):
            config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
            self.configs[config.name] = config
            model = file.parent / "1" / config.default_model_filename
            self._sessions[config.name] = onnxruntime.InferenceSession(model)
        self.shapes: list[tuple[int, ...]] = []
        self.alter: Any = lambda logits: logits

    def ModelConfig(self, request: Any, context: Any) -> Any:
        if request.name not in self.configs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.name}'")
        return service_pb2.ModelConfigResponse(config=self.configs[request.name])

    def ModelInfer(self, request: Any, context: Any) -> Any:
        inputs = {
            entry.name: np.frombuffer(raw, entry.datatype.lower()).reshape(tuple(entry.shape))
            for entry, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        self.shapes.append(inputs["input_ids"].shape)
        (logits,) = self._sessions[request.model_name].run(["logits"], inputs)
        logits = self.alter(logits)
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name="logits", datatype="FP32", shape=logits.shape
        )
        return service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[logits.tobytes()])


@contextlib.contextmanager
def serving_triton(repository: Path) -> Iterator[tuple[FakeTriton, str]]:
    """Serve a repository; yield the server's memory and its address."""
    fake = FakeTriton(repository)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield fake, f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
