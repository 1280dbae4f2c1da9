"""Tunings on this disk: one small file a machine and kind of evaluator."""

import contextlib
import hashlib
import json
import math
import os
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from gnomon_scorer.domain.ports import Trial, Tuning, Way

log = structlog.get_logger(__name__)

_SCHEMA = 1


class TuningFiles:
    """Files in `<folder>/<machine>/<key>.json`. Several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, machine: str, key: str) -> Tuning | None:
        try:
            tuning = _read(json.loads(self._file(machine, key).read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            log.warning("a stored tuning cannot be read", error=type(error).__name__)
            return None
        return tuning if tuning.machine == machine else None

    def keep(self, key: str, tuning: Tuning) -> None:
        file = self._file(tuning.machine, key)
        part = file.with_name(f".part-{uuid.uuid4().hex}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"schema": _SCHEMA} | asdict(tuning), indent=1) + "\n")
            os.replace(part, file)  # noqa: PTH105  whole or not at all
        except OSError as error:
            log.warning("a tuning cannot be stored", error=type(error).__name__)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _file(self, machine: str, key: str) -> Path:
        return self._folder / hashlib.sha256(machine.encode()).hexdigest()[:16] / f"{key}.json"


def _read(raw: Any) -> Tuning:
    if raw["schema"] != _SCHEMA:
        raise ValueError("another schema")
    chosen = _trial(raw["chosen"])
    if chosen.way.threads < 1:
        raise ValueError("nothing was chosen")
    return Tuning(
        chosen=chosen,
        trials=tuple(_trial(trial) for trial in raw["trials"]),
        machine=str(raw["machine"]),
        measured_at=_number(raw["measured_at"]),
        objective_per_s=_number(raw.get("objective_per_s", 0.0)),
    )


def _trial(raw: Any) -> Trial:
    way = Way(str(raw["way"]["format"]), int(raw["way"]["threads"]), int(raw["way"]["batch_tokens"]))
    if way.threads < 0 or way.batch_tokens < 0:
        raise ValueError("a number below 0")
    return Trial(way, _number(raw["sequences_per_s"]), _number(raw.get("spread", 0.0)))


def _number(raw: Any) -> float:
    value = float(raw)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError("not a number of this world")
    return value
