"""What the end-to-end tests do with a deployment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gnomon
from gnomon import examples
from gnomon.local import ServiceProcess

# Enough to train a real evaluator in seconds; its quality is not looked at.
QUICK: Mapping[str, Any] = {"epochs": 1, "max_tokens": 64, "seed": 7}


def client_of(services: Mapping[str, ServiceProcess], timeout_s: float = 30.0) -> gnomon.Client:
    addresses = {name: service.address for name, service in services.items()}
    return gnomon.Client(**addresses, timeout_s=timeout_s)


def make_metric(client: gnomon.Client, metric: str = "commitment") -> None:
    client.metrics.create(metric, output_type="boolean", input_shape="input_output")


def upload_example(client: gnomon.Client) -> None:
    example = examples.load("commitment")
    client.datasets.upload("train", Path(str(example.training_set)), metric="commitment")
    client.datasets.upload("test", Path(str(example.test_set)), metric="commitment")
