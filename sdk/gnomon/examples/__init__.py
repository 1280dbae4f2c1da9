"""Example metrics with labelled rows, to try Gnomon without own data.

An example is three files beside this module: `<name>.metric.json`,
`<name>.train.jsonl` and `<name>.test.jsonl`.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gnomon.errors import NotFoundError

_DEFINITION = ".metric.json"


@dataclass(frozen=True, slots=True)
class Example:
    """`metric` holds the fields of a `gnomon.v1.Metric` as JSON values."""

    name: str
    metric: dict[str, Any]
    training_set: Traversable
    test_set: Traversable

    @property
    def description(self) -> str:
        return str(self.metric.get("description") or self.metric.get("display_name") or "")

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the three files into a folder; return their paths as `metric`, `training_set`, `test_set`."""
        folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "metric": (
                f"{self.name}{_DEFINITION}",
                json.dumps(self.metric, indent=2, ensure_ascii=False) + "\n",
            ),
            "training_set": (self.training_set.name, self.training_set.read_text(encoding="utf-8")),
            "test_set": (self.test_set.name, self.test_set.read_text(encoding="utf-8")),
        }
        for file, text in contents.values():
            (folder / file).write_text(text, encoding="utf-8")
        return {key: folder / file for key, (file, _) in contents.items()}


def list_examples() -> list[Example]:
    """Return every example, ordered by name."""
    found = (entry.name for entry in files(__name__).iterdir() if entry.name.endswith(_DEFINITION))
    return [load(file.removesuffix(_DEFINITION)) for file in sorted(found)]


def load(name: str) -> Example:
    """Return an example.

    Raises:
        NotFoundError: there is none of that name.
    """
    folder = files(__name__)
    known = sorted(e.name.removesuffix(_DEFINITION) for e in folder.iterdir() if e.name.endswith(_DEFINITION))
    if name not in known:
        raise NotFoundError(f"There is no example {name!r}; there are: {', '.join(known) or 'none'}.")
    return Example(
        name=name,
        metric=json.loads((folder / f"{name}{_DEFINITION}").read_text(encoding="utf-8")),
        training_set=folder / f"{name}.train.jsonl",
        test_set=folder / f"{name}.test.jsonl",
    )
