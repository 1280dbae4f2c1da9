"""The peers: installed on first use, started on a free port, held still while others are measured."""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from benchmarks.scorer.site import free_port

_HERE = Path(__file__).parent / "peers"
_START_S = 300.0  # infinity warms up with full batches
_QUIET = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
PEERS = ("infinity", "pipeline")


class PeerEndedError(RuntimeError):
    """A peer's process is no more."""


@dataclass
class Peer:
    """A running peer. `target` is what a caller is told."""

    name: str
    process: subprocess.Popen[bytes]
    address: str

    @property
    def target(self) -> dict[str, Any]:
        fields = {"model": "bench"} if self.name == "infinity" else {}
        return {"http": self.address, "path": "/classify", "fields": fields}

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it work within the block, and nowhere else.

        Raises:
            PeerEndedError: there is nobody to wake.
        """
        if not self.is_alive:
            raise PeerEndedError(f"{self.name} ended with status {self.process.returncode}")
        self.resume()
        try:
            yield
        finally:
            self.pause()

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def pause(self) -> None:
        """Take no processor time until `resume`."""
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _all(self) -> list[psutil.Process]:
        """Return its processes; none once it has ended."""
        if not self.is_alive:
            return []
        try:
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def install(name: str, work: Path) -> Path:
    """Return the peer's virtual environment, made from its pinned requirements if it is not there."""
    requirements = _HERE / f"{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = work / "peers" / name
    mark = folder / "requirements.sha256"
    if mark.exists() and mark.read_text() == digest:
        return folder
    print(f"Installing {name} …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--upgrade", "pip"], check=True)
    subprocess.run([*pip, "install", "-r", str(requirements)], check=True)
    mark.write_text(digest)
    return folder


@contextlib.contextmanager
def running(name: str, venv: Path, model: Path, log: Path) -> Iterator[Peer]:
    """Serve the exported weights until the block ends.

    Raises:
        RuntimeError: the peer ended, or did not come up; its log says why.
    """
    port = free_port()
    address = f"127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(name, venv, model, port),
            env=os.environ | _QUIET | {"PIPELINE_MODEL": str(model)},
            stdout=output,
            stderr=output,
            cwd=_HERE,
        )
    peer = Peer(name, process, address)
    try:
        _wait(peer, log)
        yield peer
    finally:
        peer.resume()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(name: str, venv: Path, model: Path, port: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port)]
    if name == "infinity":
        options = ["--engine", "torch", "--device", "cpu", "--served-model-name", "bench"]
        return [str(venv / "bin/infinity_emb"), "v2", "--model-id", str(model), *options, *where]
    return [str(venv / "bin/python"), "-m", "uvicorn", "pipeline_server:app", *where, "--no-access-log"]


def _wait(peer: Peer, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if peer.process.poll() is not None:
            break
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"http://{peer.address}/health", timeout=2).read()
            return
        time.sleep(0.5)
    tail = log.read_text(errors="replace")[-1500:]
    raise RuntimeError(f"{peer.name} did not come up:\n{tail}")
