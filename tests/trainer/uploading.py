"""Uploads, and what they leave behind."""

import json
from pathlib import Path
from typing import Any

from gnomon.v1 import trainer_service_pb2 as pb
from tests.trainer.running import (
    Trainer,
    refused,
)

HEADER = "input,output,label\n"


async def refuse(trainer: Trainer, content: bytes | str, filename: str = "rows.csv", **header: Any) -> Any:
    """Return the error of an upload, having checked that nothing of it stayed behind."""
    raw = content.encode() if isinstance(content, str) else content
    error = await refused(trainer.upload(raw, filename=filename, **header))
    listed = await trainer.stub.ListDatasets(pb.ListDatasetsRequest())
    assert not listed.datasets
    assert left_files(trainer) == []
    return error


def left_files(trainer: Trainer) -> list[Path]:
    return [path for path in trainer.app.settings.data_dir.rglob("*") if path.is_file()]


async def rows_of(trainer: Trainer, name: str) -> list[dict[str, Any]]:
    call = trainer.stub.DownloadDataset(pb.DownloadDatasetRequest(name=name))
    content = b"".join([response.content async for response in call])
    return [json.loads(line) for line in content.splitlines()]
