"""A process of its own that imports archives: prints what each cost and how it ended."""

import json
import os
import sys
import time
from pathlib import Path

import gnomon
from gnomon.errors import BundleInvalidError
from tests.imports.watching import Watched


def main(registry: str, folder: Path, log: Path) -> None:
    with gnomon.Client(registry=registry) as client:
        client.versions.list("toxicity")
        for archive in [
            folder / "00.bundle",
            *sorted(folder.iterdir()),
        ]:  # the first one twice: imports are late
            watched, told, began = (
                Watched(os.getpid()),
                len(log.read_text().splitlines()),
                time.perf_counter(),
            )
            watched.begin()
            answer = {"name": archive.name, "rule": None, "path": None}
            try:
                client.versions.import_bundle("toxicity", archive)
            except BundleInvalidError as error:
                answer |= {
                    "rule": error.metadata["rule"],
                    "path": error.metadata["path"],
                    "said": error.message,
                }
            except Exception as error:
                answer["crash"] = repr(error)
            answer |= {"processor_s": watched.processor_s, "peak_bytes": watched.peak_bytes}
            answer |= {"s": time.perf_counter() - began, "told": [told, len(log.read_text().splitlines())]}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
