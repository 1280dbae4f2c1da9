"""From an error to what the user reads: one sentence, its violations, an exit status."""

import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from gnomon.cli.output import Output
from gnomon.errors import GnomonError

FAILED = 1
USAGE = 2
DEFECT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # as a shell reports a command that SIGINT ended

_PACKAGE = Path(__file__).parents[1]


def report(error: GnomonError | OSError | UnicodeError, output: Output) -> None:
    """Print the error to standard error and, with `--json`, as the document on standard output.

    Raises:
        OSError: standard output cannot be written, which may be the error itself; `main` tells that.
    """
    sys.stdout.flush()
    problem = describe(error)
    sys.stderr.write(f"error: {problem['message']}\n")
    for violation in problem["violations"]:
        if violation["description"] in problem["message"]:
            continue  # a sole violation mostly is the message
        sys.stderr.write(f"  {violation['field']}: {violation['description']}\n")
    sys.stderr.flush()
    if output.as_json:
        output.json({"error": problem})


def describe(error: GnomonError | OSError | UnicodeError) -> dict[str, Any]:
    """Return `reason`, `message`, `violations` and `metadata` of an error."""
    if isinstance(error, GnomonError):
        violations = [{"field": v.field, "description": v.description} for v in error.violations]
        return _problem(error.reason, error.message, violations, dict(error.metadata))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _problem("LOCAL_FILE", f"{where}{error.strerror or error}.", [], {})
    return _problem("LOCAL_FILE", f"The file is not UTF-8 text: {error}.", [], {})


def usage(message: str, as_json: bool) -> int:
    """Print what is wrong with the command line; return the exit status."""
    sys.stderr.write(f"error: {message}\n")
    if as_json:
        Output(as_json).json({"error": _problem("USAGE", message, [], {})})
    return USAGE


def can_answer() -> bool:
    """Tell whether there is a standard output, before anything is done; say it if there is none."""
    if sys.stderr is None:  # `2>&-`: what is said beside the answer is not missed
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  until the end
    if sys.stdout is None:
        sys.stderr.write("error: Standard output is closed, so nothing was done. Send it somewhere.\n")
    return sys.stdout is not None


def answer_lost(error: OSError) -> int:
    """Say that standard output takes no answer; return the exit status."""
    drop_answer()
    sys.stderr.write(f"error: Standard output cannot be written: {error.strerror or error}.\n")
    return FAILED


def drop_answer() -> None:
    """Let go what nobody reads: the interpreter would try again to write it when it ends."""
    with contextlib.suppress(OSError):  # a stream without a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def defect(error: Exception, as_json: bool) -> int:
    """Say that nobody expected this error, and where it is from; return the exit status."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents] or frames
    where = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
    message = f"A defect of Gnomon; please report it: {type(error).__name__}: {error} ({where})"
    sys.stderr.write(f"error: {message}\n")
    if as_json:
        Output(as_json).json({"error": _problem("INTERNAL", message, [], {})})
    return DEFECT


def _problem(
    reason: str, message: str, violations: list[dict[str, str]], metadata: dict[str, str]
) -> dict[str, Any]:
    return {"reason": reason, "message": message, "violations": violations, "metadata": metadata}
