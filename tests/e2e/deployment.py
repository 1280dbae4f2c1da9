"""What the end-to-end tests do with a deployment."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gnomon
from gnomon import examples
from gnomon.local import ServiceProcess

# Enough to train a real evaluator in seconds; its quality is not looked at.
QUICK: Mapping[str, Any] = {"epochs": 1, "max_tokens": 64, "seed": 7, "allow_small": True}


def client_of(services: Mapping[str, ServiceProcess], timeout_s: float = 30.0) -> gnomon.Client:
    addresses = {name: service.address for name, service in services.items()}
    return gnomon.Client(**addresses, timeout_s=timeout_s)


def make_metric(client: gnomon.Client, metric: str = "commitment") -> None:
    client.metrics.create(metric, output_type="boolean", input_shape="input_output")


def upload_example(client: gnomon.Client) -> None:
    """Upload the first rows of the example: all of them take longer, and show no more."""
    example = examples.load("commitment")
    for name, file, rows in (("train", example.training_set, 200), ("test", example.test_set, 150)):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as part:
            part.writelines(file.read_text(encoding="utf-8").splitlines(keepends=True)[:rows])
            part.flush()
            client.datasets.upload(name, Path(part.name), metric="commitment")
