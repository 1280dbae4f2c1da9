"""Install the built wheel as a scorer alone and look at what that brings.

The scorer must neither install nor import torch and transformers, and must
listen within a few seconds of its start.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"torch", "transformers", "sqlalchemy", "scikit-learn", "pandas", "onnx", "nncf"}


def main() -> int:
    with tempfile.TemporaryDirectory() as work:
        python = install_scorer(Path(work))
        names = subprocess.run(
            [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
        ).stdout
        installed = {line.partition("==")[0].lower() for line in names.splitlines()}
        if brought := installed & FORBIDDEN:
            print(f"[scorer] brings {', '.join(sorted(brought))}")
            return 1
        print(f"[scorer] installs {len(installed)} distributions; listens after {start(python, work):.2f} s")
    return 0


def install_scorer(work: Path) -> str:
    """Build the wheel and install it with the scorer's extra into a new environment."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", work, ROOT], check=True)
    wheel = next(work.glob("gnomon-*.whl"))
    venv.create(work / "venv", with_pip=True)
    python = str(work / "venv/bin/python")
    constraints = str(ROOT / "constraints.txt")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-c", constraints, f"{wheel}[scorer]"], check=True
    )
    return python


def start(python: str, work: str) -> float:
    """Start the scorer and return the seconds until it listens."""
    address = Path(work, "address")
    environment = os.environ | {
        "GNOMON_SCORER_ADDRESS_FILE": str(address),
        "GNOMON_SCORER_LISTEN": "127.0.0.1:0",
        "GNOMON_SCORER_CACHE_DIR": str(Path(work, "cache")),
    }
    begun = time.monotonic()
    process = subprocess.Popen([python, "-m", "gnomon_scorer"], env=environment, cwd=work)
    try:
        while not address.exists():
            if process.poll() is not None or time.monotonic() - begun > 60:
                raise SystemExit("The scorer did not start.")
            time.sleep(0.02)
        return time.monotonic() - begun
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
