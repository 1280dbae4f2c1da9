"""Results files: written whole or not at all, with as many digits as were measured."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Put the content in the place of the file, whose folder is made if it is not there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        beside.write_text(json.dumps(_rounded(content), indent=2) + "\n")
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _rounded(value: Any) -> Any:
    """Keep five digits: what is behind them is no measurement."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
