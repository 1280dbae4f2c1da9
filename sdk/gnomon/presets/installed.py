"""What came of installing a preset. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gnomon.errors import AlreadyExistsError
from gnomon.names import PresetEdition
from gnomon.presets.preset import Preset
from gnomon.v1 import resources_pb2 as pb

_TEXTS = ("display_name", "description", "judge_prompt")


class Outcome(StrEnum):
    CREATED = "created"
    PRESENT = "present"
    """It was there already, in this edition; nothing was changed."""
    OTHER_EDITION = "other_edition"
    """It was there already, in an older or newer edition; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The metric, and whether it was made now. `edited` names its texts that are not the preset's."""

    metric: pb.Metric
    outcome: Outcome
    preset: PresetEdition
    edited: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in one or two sentences."""
        name, found = self.metric.name, self.metric.preset
        match self.outcome:
            case Outcome.CREATED:
                return f"Created {name} from {self.preset}."
            case Outcome.OTHER_EDITION:
                is_newer = self.preset.edition > PresetEdition.parse(found).edition
                return (
                    f"{name} is there already, of {found}; {self.preset} is "
                    f"{'newer' if is_newer else 'older'}. Nothing was changed: to have both, install it "
                    "under another name."
                )
        edited = f" Its {', '.join(self.edited)} were edited since." if self.edited else ""
        return f"{name} is there already, of {found}. Nothing was changed.{edited}"


def compared(preset: Preset, wanted: Mapping[str, Any], found: pb.Metric) -> Installed:
    """Return what to say of a metric that has the name already.

    `wanted` are the fields that it would have been created with.

    Raises:
        AlreadyExistsError: it was not made from this preset, or it was with
            other values of the preset's parameters.
    """
    if found.preset.partition("@")[0] != preset.id:
        origin = f"was made from {found.preset}" if found.preset else "was not made from a preset"
        raise _taken(f"{found.name} is there already, and {origin}", preset, found)
    if found.preset != str(preset.edition):
        return Installed(found, Outcome.OTHER_EDITION, preset.edition)
    edited = tuple(field for field in _TEXTS if getattr(found, field) != wanted[field])
    if preset.parameters and set(edited) - {"display_name"}:
        names = ", ".join(parameter.name for parameter in preset.parameters)
        what = f"{found.name} was made from {found.preset} with another {names}, or edited since"
        raise _taken(what, preset, found)
    return Installed(found, Outcome.PRESENT, preset.edition, edited)


def _taken(what: str, preset: Preset, found: pb.Metric) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{what}. Nothing was changed: install {preset.id} under another name.",
        resource=found.name,
        preset=str(preset.edition),
    )
