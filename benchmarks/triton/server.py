"""A real Triton server on the loopback: installed on first use, started on a free port.

NVIDIA publishes its server as a container image. The wheel `nvidia-pytriton`
carries the same server for the CPU, whose one backend is Python; the folder
`backends` adds `onnxruntime` in Python, so that a repository is served as it is.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scorer.site import free_port
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

_HERE = Path(__file__).parent
_START_S = 120.0
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


class TritonMissingError(RuntimeError):
    """The server cannot be had here; the message says why."""


class TritonFailedError(RuntimeError):
    """The server ended or did not become ready; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the server, and the backends that it is started with."""

    folder: Path

    @property
    def packages(self) -> Path:
        return self.folder / "lib" / _PYTHON / "site-packages"

    @property
    def server(self) -> Path:
        return self.packages / "pytriton" / "tritonserver"

    @property
    def backends(self) -> Path:
        return self.folder / "backends"


def install(folder: Path) -> Installed:
    """Return the server's environment, made if it is not there yet.

    Raises:
        TritonMissingError: pip finds no wheel for this machine, or no network.
    """
    requirements = _HERE / "server.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark, installed = folder / "requirements.sha256", Installed(folder)
    if not mark.exists() or mark.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
        options = ["--no-deps", "--only-binary=:all:", "-r", str(requirements)]
        done = subprocess.run([*pip, "install", *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise TritonMissingError(f"Triton's wheel cannot be had: {done.stderr.strip()[-500:]}")
        mark.write_text(digest)
    _place_backends(installed)
    return installed


def _place_backends(installed: Installed) -> None:
    """Put both backends, and the Python backend's interpreter for this Python, into one folder."""
    shutil.rmtree(installed.backends, ignore_errors=True)
    shutil.copytree(_HERE / "backends", installed.backends)
    python = installed.backends / "python"
    shutil.copytree(installed.server / "backends" / "python", python)
    version = _PYTHON.removeprefix("python")
    stub = installed.server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise TritonMissingError(f"Triton's wheel has no Python backend for Python {version}.")
    for program in (Path(shutil.copy(stub, python)), installed.server / "bin" / "tritonserver"):
        program.chmod(0o755)


@contextlib.contextmanager
def running(installed: Installed, repository: Path, log: Path) -> Iterator[str]:
    """Serve a repository until the block ends; yield the address of the server's gRPC port.

    Raises:
        TritonFailedError: it did not become ready.
    """
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(installed.server / "bin" / "tritonserver"),
                f"--model-repository={repository}",
                f"--backend-directory={installed.backends}",
                "--disable-auto-complete-config",  # what is served is what was exported
                "--allow-http=false",
                "--allow-metrics=false",
                "--grpc-address=127.0.0.1",
                f"--grpc-port={port}",
                "--exit-timeout-secs=5",
            ],
            env=os.environ
            | {
                "LD_LIBRARY_PATH": str(installed.packages / "nvidia_pytriton.libs"),
                "PATH": f"{installed.folder / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(installed.packages),
            },
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, f"127.0.0.1:{port}", log)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + _START_S
    client = InferenceServerClient(address)
    try:
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(InferenceServerException):
                if client.is_server_ready():  # every model is loaded and warm
                    return
            time.sleep(0.2)
    finally:
        client.close()
    tail = log.read_text(errors="replace")[-2000:]
    raise TritonFailedError(f"The Triton server did not become ready:\n{tail}")
