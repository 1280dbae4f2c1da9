"""Triton's backend `onnxruntime`, as far as an exported evaluator needs it, in Python.

The server of nvidia-pytriton's wheel has the Python backend alone. Triton takes
a folder `backends/<name>` with a `model.py` for a Python-based backend of that
name, so a repository that asks for `onnxruntime` is loaded here as it is.
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # the server provides it


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            folder / (config["default_model_filename"] or "model.onnx"),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._inputs = [entry["name"] for entry in config["input"]]
        self._output = config["output"][0]["name"]

    def execute(self, requests: list) -> list:
        """Run requests of one length together, as Triton's own backend does."""
        rows = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            for request in requests
        ]
        of_width = defaultdict(list)
        for index, row in enumerate(rows):
            of_width[row[self._inputs[0]].shape[1:]].append(index)
        responses = [None] * len(requests)
        for indices in of_width.values():
            together = {name: np.concatenate([rows[i][name] for i in indices]) for name in self._inputs}
            (logits,) = self._session.run([self._output], together)
            ends = np.cumsum([len(rows[i][self._inputs[0]]) for i in indices])[:-1]
            for index, part in zip(indices, np.split(logits, ends), strict=True):
                tensor = pb_utils.Tensor(self._output, part)
                responses[index] = pb_utils.InferenceResponse([tensor])
        return responses
