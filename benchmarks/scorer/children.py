"""Child processes that take one command as a line of JSON and answer with one."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

Answers = Callable[[dict[str, Any]], Any]


class ChildError(RuntimeError):
    """A child ended, or could not do what it was told."""


class Child:
    """A module of this package in a process of its own."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.module = module
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.scorer.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def begin(self, command: str, **fields: Any) -> None:
        """Send a command; `end` gives its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": command, **fields}) + "\n")
        self.process.stdin.flush()

    def end(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ChildError(f"{self.module} ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildError(f"{self.module}: {answer['error']}")
        return answer["result"]

    def ask(self, command: str, **fields: Any) -> Any:
        self.begin(command, **fields)
        return self.end()

    def close(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, and what it was told last is not flushed
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def serve(commands: Mapping[str, Answers]) -> None:
    """Answer commands until the parent goes. An error is an answer."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": commands[command.pop("do")](command)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
