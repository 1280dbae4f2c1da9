"""Files as they are received."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from gnomon.errors import UploadTooLargeError
from gnomon_trainer.adapters.reading import ReadLimits, open_source
from gnomon_trainer.domain.uploads import RecordSource


class IncomingFile:
    """An `Incoming` in a temporary file."""

    def __init__(
        self,
        temporary: Path,
        max_bytes: int,
        limits: ReadLimits,
        received: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`received` hears the size of every part."""
        temporary.mkdir(parents=True, exist_ok=True)
        self._max_bytes = max_bytes
        self._limits = limits
        self._received = received
        self._size_bytes = 0
        self._digest = hashlib.sha256()
        descriptor, path = tempfile.mkstemp(dir=temporary, suffix=".upload")
        self._path = Path(path)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, content: bytes) -> None:
        self._received(len(content))
        self._size_bytes += len(content)
        if self._size_bytes > self._max_bytes:
            raise UploadTooLargeError(
                f"The file is larger than {self._max_bytes} bytes. Divide it, or compress it with gzip.",
                limit_bytes=str(self._max_bytes),
            )
        self._digest.update(content)
        self._file.write(content)

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def source(self, filename: str, format: str | None) -> RecordSource:  # noqa: A002
        self._file.flush()
        return open_source(self._path, filename, format, self._limits)

    def discard(self) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # a full disk refuses the last bytes, which are not wanted any more
        finally:
            self._path.unlink(missing_ok=True)


def sweep(temporary: Path, before: float) -> None:
    """Remove what earlier processes left, and have not written to since `before`: others may be at work."""
    for path in (*temporary.glob("*.upload"), *temporary.glob("*.rows")):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
