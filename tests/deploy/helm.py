"""Helm's library, in a process of its own each time: a Go runtime should not share one with other tests.

python -m tests.deploy.helm    reads {"chart", "values" (null: lint), "name"}, prints what comes of it
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class HelmRefusedError(Exception):
    """Helm does not take the chart, or not with these values; the message is Helm's."""


def lint(chart: Path) -> dict[str, Any]:
    """Return the `errors` and `messages` of a strict lint."""
    return _asked({"chart": str(chart), "values": None})


def rendered(chart: Path, values: dict[str, Any], name: str) -> dict[str, str]:
    """Return the text of each file that the chart makes, by its path.

    Raises:
        HelmRefusedError: the values are none that the chart takes.
    """
    return _asked({"chart": str(chart), "values": values, "name": name})


def _asked(question: dict[str, Any]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.deploy.helm"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    answer = json.loads(done.stdout)
    if "refused" in answer:
        raise HelmRefusedError(answer["refused"])
    return answer["answer"]


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    import helm_python

    chart, values = question["chart"], question["values"]
    try:
        if values is None:
            said = helm_python.lint(chart, strict=True)
            return {"answer": {"errors": said["errors"], "messages": said["messages"]}}
        with helm_python.Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            return {"answer": dict(loaded.render(values, name=question["name"], namespace="ml"))}
    except helm_python.HelmError as error:
        return {"refused": str(error)}


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin)), default=str))
