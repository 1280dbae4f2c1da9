"""What is done of a file that is being scored, in a folder beside its target: `OUT.parts`.

    job.json       what is scored, and with which versions
    scores.jsonl   the columns of each row's scores, a line a row

A process that is killed leaves at most half a line, which the next one cuts
off. So the rows done are the lines, and nothing else has to be kept in step.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from gnomon.errors import InvalidRequestError, ResourceInUseError

_SYNC_EVERY_S = 2.0  # what a machine that loses its power forgets; a process that is killed forgets nothing
_BLOCK_BYTES = 1024 * 1024
_ROWS_A_FLUSH = 32


class Journal:
    """The folder of one target; held while entered, so that no two processes write it."""

    def __init__(self, target: Path) -> None:
        self.folder = target.with_name(f"{target.name}.parts")
        self.rows_done = 0
        self._job_file = self.folder / "job.json"
        self._scores_file = self.folder / "scores.jsonl"
        self._synced_at = 0.0
        self._is_begun = False

    def job(self) -> dict[str, Any] | None:
        """Return what an earlier process began, if any."""
        try:
            found = json.loads(self._job_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InvalidRequestError(f"{self._job_file} is damaged. Remove {self.folder} and start again.")
        return found

    def clear(self) -> None:
        """Forget the job and its scores."""
        self._job_file.unlink(missing_ok=True)
        self._scores_file.unlink(missing_ok=True)

    def begin(self, job: Mapping[str, Any]) -> None:
        """Note the job, unless it was begun before, and find the rows that are done."""
        if not self._job_file.exists():
            part = self._job_file.with_suffix(".part")
            with part.open("w", encoding="utf-8") as file:
                json.dump(job, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._job_file)
        self._scores = self._scores_file.open("a+b")
        self._is_begun = True
        self.rows_done, size_bytes = self._whole_lines()
        self._scores.truncate(size_bytes)

    def _whole_lines(self) -> tuple[int, int]:
        self._scores.seek(0)
        lines = size_bytes = at = 0
        while block := self._scores.read(_BLOCK_BYTES):
            lines += block.count(b"\n")
            if (last := block.rfind(b"\n")) >= 0:
                size_bytes = at + last + 1
            at += len(block)
        return lines, size_bytes

    def add(self, cells: Mapping[str, Any]) -> None:
        """Note the scores of the next row."""
        self._scores.write(json.dumps(cells).encode() + b"\n")
        self.rows_done += 1
        if self.rows_done % _ROWS_A_FLUSH == 0:
            self._scores.flush()  # it outlives this process from here on
        if time.monotonic() - self._synced_at > _SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        self._scores.flush()
        os.fsync(self._scores.fileno())
        self._synced_at = time.monotonic()

    def cells(self) -> Iterator[dict[str, Any]]:
        """Yield what was noted, row by row."""
        self._scores.flush()
        with self._scores_file.open("rb") as file:
            for line in file:
                yield json.loads(line)

    def __enter__(self) -> "Journal":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ResourceInUseError(f"Another process writes {self.folder} now.") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_begun:
            self._scores.close()
        if not self._job_file.exists() or (self._is_begun and (error is None or not self.rows_done)):
            # Written whole, or nothing to keep.
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()
