"""The presets' files, one TOML file each, named by the preset's ID.

Lines of descriptions, rubrics and prompts are wrapped for whoever edits them:
as in Markdown, only an empty line or a list item begins a new one.
"""

import re
import tomllib
from importlib.resources import files
from typing import Any

from gnomon.errors import NotFoundError
from gnomon.instances import InputShape, OutputType, Step
from gnomon.names import PresetEdition
from gnomon.presets.preset import Parameter, Preset, PresetClass, PresetExample

_SUFFIX = ".toml"
_WRAPPED = re.compile(r"(?<!\n)\n(?!\n| *(?:- |\d+\. )) *")


def list_presets() -> list[Preset]:
    """Return every preset, ordered by ID."""
    return [load(preset) for preset in _known()]


def load(preset: str) -> Preset:
    """Return a preset.

    Raises:
        NotFoundError: there is none of that ID.
    """
    known = _known()
    if preset not in known:
        raise NotFoundError(f"There is no preset {preset[:80]!r}; there are: {', '.join(known)}.")
    text = (files(__name__) / f"{preset}{_SUFFIX}").read_text(encoding="utf-8")
    return _read(preset, tomllib.loads(text))


def _known() -> list[str]:
    entries = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX))


def _read(preset: str, raw: dict[str, Any]) -> Preset:
    parameters = raw.get("parameters", {})
    return Preset(
        edition=PresetEdition(preset, raw["edition"]),
        display_name=raw["display_name"],
        description=_text(raw["description"]),
        output_type=OutputType(raw["output_type"]),
        step=Step(raw["step"]),
        input_shape=InputShape(raw["input_shape"]),
        classes=tuple(
            PresetClass(c["label"], _text(c["rubric"]), c.get("flagged", False)) for c in raw["classes"]
        ),
        judge_prompt=_text(raw["judge_prompt"]),
        parameters=tuple(Parameter(name, text) for name, text in parameters.items()),
        examples=tuple(_example(entry, set(parameters)) for entry in raw["examples"]),
    )


def _example(raw: dict[str, Any], parameters: set[str]) -> PresetExample:
    besides = {"label", "reason", *parameters}
    return PresetExample(
        label=raw["label"],
        cells={key: value for key, value in raw.items() if key not in besides},
        reason=raw["reason"],
        values={key: raw[key] for key in parameters if key in raw},
    )


def _text(wrapped: str) -> str:
    return _WRAPPED.sub(" ", wrapped.strip())
