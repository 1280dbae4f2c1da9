"""From an error to what the user reads: one sentence, its violations, an exit status."""

import sys
from typing import Any

from gnomon.cli.output import Output
from gnomon.errors import GnomonError

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # as a shell reports a command that SIGINT ended


def report(error: GnomonError | OSError | UnicodeError, output: Output) -> None:
    """Print the error to standard error and, with `--json`, as the document on standard output."""
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


def _problem(
    reason: str, message: str, violations: list[dict[str, str]], metadata: dict[str, str]
) -> dict[str, Any]:
    return {"reason": reason, "message": message, "violations": violations, "metadata": metadata}
