"""Where the data of a service are: what its own variables, a folder of `gnomon up`, or neither say.

One rule for all who look at data from outside, such as `gnomon gc` and `gnomon doctor`:

1. A folder that was named (`--home`) goes first. The service's variables are not used then.
2. Else, with any variable that says where its data are, the service's variables say it all, and its own
   defaults fill the gaps, as they do for the service itself. GNOMON_HOME says nothing about it: the catalog
   of one deployment and the artifacts of another must never meet.
3. Else GNOMON_HOME.
4. Else the service's own defaults.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gnomon import local
from gnomon.folders import own_folder

_NAMES = {
    "registry": ("DATABASE_URL", "ARTIFACT_URL"),
    "trainer": ("DATABASE_URL", "DATA_DIR"),
    "scorer": ("CACHE_DIR",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service's data are: `variables` to run it with beside the environment's, and who says so."""

    said: str
    variables: Mapping[str, str] = field(default_factory=dict)


def variables(service: str) -> list[str]:
    """Return the variables that say where a service's data are."""
    return [f"GNOMON_{service.upper()}_{name}" for name in _NAMES[service]]


def named(service: str, environment: Mapping[str, str]) -> list[str]:
    """Return those of the variables that are set."""
    return [name for name in variables(service) if name in environment]


def of(service: str, home: Path | None, environment: Mapping[str, str] = os.environ) -> Place:
    """Return where a service's data are; `home` is a folder that was named for it, if one was."""
    set_ones = named(service, environment)
    if home is not None:
        unused = f" {_listed(set_ones)} not used." if set_ones else ""
        return _below(home, service, "as --home says." + unused)
    default_home = environment.get("GNOMON_HOME")
    if set_ones:
        unused = " GNOMON_HOME is not used for it." if default_home else ""
        return Place(f"The {service}'s data: where its variables say ({', '.join(set_ones)}).{unused}")
    if default_home:
        return _below(Path(default_home), service, "as GNOMON_HOME says.")
    return Place(
        f"The {service}'s data: in {own_folder(service)}, where it keeps them unless told. "
        f"{_listed(variables(service))} not set."
    )


def _below(home: Path, service: str, why: str) -> Place:
    folder = home.expanduser().absolute()
    return Place(f"The {service}'s data: below {folder}, {why}", local.embedded(service, folder))


def _listed(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
