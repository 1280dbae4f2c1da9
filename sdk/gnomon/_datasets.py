"""What is uploaded as a dataset: a file or a DataFrame, read anew for every attempt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon import shorthand
from gnomon._files import PART_BYTES, parts
from gnomon._frames import frame_to_jsonl, is_frame
from gnomon._requests import new_request_id, refused
from gnomon.v1 import trainer_service_pb2 as trainer

_FORMATS = trainer.UploadDatasetRequest.Header.Format


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from."""

    filename: str
    size_bytes: int  # about
    origin: Any  # a Path or a DataFrame

    def parts(self) -> Iterator[bytes]:
        """Yield the content, at most 1 MiB at a time."""
        if isinstance(self.origin, Path):
            yield from parts(self.origin)
            return
        for block in frame_to_jsonl(self.origin):
            for start in range(0, len(block), PART_BYTES):
                yield block[start : start + PART_BYTES]


def source_of(given: Any) -> Source:
    """Return the source of a path or a DataFrame.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        TypeError: it is something else.
    """
    if is_frame(given):
        return Source("frame.jsonl", int(given.memory_usage(index=False, deep=True).sum()), given)
    if not isinstance(given, str | Path):
        raise TypeError(f"The rows must be a path or a DataFrame, not {type(given).__name__}.")
    path = Path(given)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give a file of labelled rows.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    return Source(path.name, path.stat().st_size, path)


def upload_header(
    dataset_id: str,
    source: Source,
    *,
    metric: str,
    columns: Mapping[str, str] | None,
    allow_partial: bool,
    format: str | None,  # noqa: A002  the field's own name
    display_name: str,
    unlabelled: bool,
) -> trainer.UploadDatasetRequest:
    """Return the first message of an upload."""
    known = [name for name in _FORMATS.keys() if name != "FORMAT_UNSPECIFIED"]  # noqa: SIM118  no mapping
    if format is not None and format.upper() not in known:
        raise refused("format", f"is {format!r}; it must be one of: {', '.join(known).lower()}")
    header = trainer.UploadDatasetRequest.Header(
        dataset_id=dataset_id,
        metric=shorthand.metric(metric),
        filename=source.filename,
        format=format.upper() if format else None,
        column_mapping=columns or {},
        allow_partial=allow_partial,
        display_name=display_name,
        request_id=new_request_id(),
        unlabelled=unlabelled,
    )
    return trainer.UploadDatasetRequest(header=header)
