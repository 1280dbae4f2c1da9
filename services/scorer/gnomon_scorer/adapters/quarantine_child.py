"""The process that opens a bundle for the first time: `python -m` this, a folder, formats, limits.

What its runtimes and tokenizer do wrong with hostile files ends this process
and no other. It has no environment but its own, may write no file, and has
its memory and processor time limited once the libraries are loaded, before
anything of the bundle is read. It prints one JSON document.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38  # of prctl
_OPEN_FILES = 128


def main(folder: Path, formats: list[str], memory_bytes: int, processor_s: int) -> None:
    """Open a bundle in every format, and score with it."""
    _bind()
    began = time.perf_counter()
    attempt = _attempt()
    loaded = time.perf_counter()
    _limit(memory_bytes, processor_s)
    try:
        attempt(folder, formats)
        answer: dict[str, Any] = {"error": None}
    except BaseException as error:  # a library in Rust panics past Exception
        text = str(error).strip().partition("\n")[0][:300]
        answer = {"error": text or type(error).__name__}
    answer["import_s"] = round(loaded - began, 3)
    answer["bundle_s"] = round(time.perf_counter() - loaded, 3)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # threads of a runtime may wait for ever


def _attempt() -> Any:
    """Import what opens bundles, and return it."""
    from gnomon_scorer.adapters.quarantine_attempt import attempt

    return attempt


def _bind() -> None:
    """Die with the scorer, and before it where memory runs out; gain no rights."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # anyone may raise their own
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _limit(memory_bytes: int, processor_s: int) -> None:
    """Limit what this process may use from now on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + processor_s
    for limit, value in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (capped, capped))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), int(sys.argv[4]))
