"""Faults from inside a process, for tests alone: Python imports this module before any other.

A process gets it when this folder is on its PYTHONPATH; its children inherit it. It does what these
variables say, and nothing without them:

    FAULTS_CLOCK   a file whose number of seconds is added to what services read as `time.time`
    FAULTS_KILL    JSON {"at": "module:Class.method", "call": 3, "when": "before" | "after", "once": FILE}:
                   SIGKILL to this process at the third call, unless FILE is there, which it makes
    FAULTS_TRACE   JSON [{"at": "module:Class.method", "when": …, "arguments": 1, "file": FILE}]: a line for
                   every call, with the process, the method and its first argument
    FAULTS_WORKER  the module that the trainer starts as worker
    FAULTS_AUDIT   a file that gets a line for every path that is opened, listed, made, renamed or removed
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]
_EVENTS = frozenset(
    {
        *("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link"),
        *("os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move"),
    }
)


class _Patching(importlib.abc.Loader):
    """Runs patches once a module is there."""

    def __init__(self, loader: Any, patches: Sequence[Patch]) -> None:
        self._loader = loader
        self._patches = patches

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for patch in self._patches:
            patch(module)

    def __getattr__(self, name: str) -> Any:  # such as `get_source`, for `python -m`
        return getattr(self._loader, name)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, patches: dict[str, list[Patch]]) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._patches:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patching(spec.loader, self._patches[fullname])
        return spec


def _wrapping(at: str, wrap: Callable[[Any], Any]) -> tuple[str, Patch]:
    module_name, _, path = at.partition(":")

    def patch(module: ModuleType) -> None:
        *owners, name = path.split(".")
        owner = functools.reduce(getattr, owners, module)
        setattr(owner, name, wrap(getattr(owner, name)))

    return module_name, patch


def _killing(wanted: dict[str, Any]) -> tuple[str, Patch]:
    calls = [0]

    def die() -> None:
        try:
            os.close(os.open(wanted["once"], os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def wrap(function: Any) -> Any:
        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            calls[0] += 1
            is_now = calls[0] == wanted["call"]
            if is_now and wanted["when"] == "before":
                die()
            result = function(*arguments, **named)
            if is_now and wanted["when"] == "after":
                die()
            return result

        return called

    return _wrapping(wanted["at"], wrap)


def _tracing(wanted: dict[str, Any]) -> tuple[str, Patch]:
    name = wanted["at"].partition(":")[2]

    def wrap(function: Any) -> Any:
        def tell(arguments: tuple[Any, ...]) -> None:
            shown = " ".join(map(str, arguments[1 : 1 + wanted["arguments"]]))
            with open(wanted["file"], "a") as file:  # noqa: PTH123
                file.write(f"{os.getpid()} {name} {shown}\n")

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            if wanted["when"] == "before":
                tell(arguments)
            result = function(*arguments, **named)
            if wanted["when"] == "after":
                tell(arguments)
            return result

        return called

    return _wrapping(wanted["at"], wrap)


def _with_worker(module: ModuleType) -> None:
    command = (sys.executable, "-m", os.environ["FAULTS_WORKER"])
    module.build.__defaults__ = (command,)  # type: ignore[attr-defined]


def _jumping(file: str) -> None:
    real = time.time

    def jumped() -> float:
        if not sys._getframe(1).f_globals.get("__name__", "").startswith("gnomon_"):
            return real()  # gRPC compares it with what its core, in C, reads
        try:
            with open(file) as offset:  # noqa: PTH123
                return real() + float(offset.read() or 0)
        except (OSError, ValueError):
            return real()

    time.time = jumped


def _audited(file: str) -> None:
    log = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            paths = [os.fspath(a) for a in arguments[:2] if isinstance(a, str | bytes | os.PathLike)]
            text = json.dumps(
                [event, *(p.decode(errors="replace") if isinstance(p, bytes) else p for p in paths)]
            )
            os.write(log, text.encode("utf-8", "surrogatepass") + b"\n")

    sys.addaudithook(hook)


def _install() -> None:
    patches: dict[str, list[Patch]] = {}
    made = [_tracing(each) for each in json.loads(os.environ.get("FAULTS_TRACE", "[]"))]
    if "FAULTS_KILL" in os.environ:
        made.append(_killing(json.loads(os.environ["FAULTS_KILL"])))
    for module, patch in made:
        patches.setdefault(module, []).append(patch)
    if "FAULTS_WORKER" in os.environ:
        patches.setdefault("gnomon_trainer.wiring", []).append(_with_worker)
    if patches:
        sys.meta_path.insert(0, _Finder(patches))
    if "FAULTS_CLOCK" in os.environ:
        _jumping(os.environ["FAULTS_CLOCK"])
    if "FAULTS_AUDIT" in os.environ:
        _audited(os.environ["FAULTS_AUDIT"])


_install()
