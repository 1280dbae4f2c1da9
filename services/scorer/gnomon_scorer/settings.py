"""What the scorer is told by its environment."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from gnomon.bundle_checks import read_policy
from gnomon.folders import own_folder
from gnomon_rpc.settings import RegistryClientSettings


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ScorerSettings(RegistryClientSettings):
    """Variables have the prefix `GNOMON_SCORER_`."""

    model_config = SettingsConfigDict(env_prefix="GNOMON_SCORER_", frozen=True)

    listen: str = Field(
        default="127.0.0.1:7412", description="Address to listen at; port 0 takes a free one."
    )
    cache_dir: Path = Field(
        default=own_folder("scorer") / "bundles",
        description="Where bundles are kept, by digest. May be shared by scorers, and emptied at any time.",
    )
    cache_dir_bytes: int = Field(
        default=20 * 1024**3,
        ge=0,
        description="About how much of the disk bundles may take in `cache_dir`. Beyond it those leave that "
        "were loaded least recently, but none that was loaded within the hour.",
    )
    bundle_policy_file: Path | None = Field(
        default=None,
        description="A TOML file that says what bundles may hold, as the registry's; see docs/imports.md.",
    )
    quarantine_s: float = Field(
        default=60.0,
        ge=0,
        description="How much processor time the first load of a bundle may take, in a process of its "
        "own with little memory and no rights; once a bundle and machine. 0: bundles open here at once.",
    )
    threads: int = Field(
        default_factory=_cores, ge=1, description="How many cores inference keeps busy; all, if not given."
    )
    inference_nice: int = Field(
        default=10,
        ge=0,
        le=19,
        description="How much inference gives way to what answers callers, as in `nice`; 0: not at all. "
        "Bulk work always comes last.",
    )
    format: Literal["auto", "onnx-fp32", "openvino-fp32", "openvino-bf16", "openvino-int8"] = Field(
        default="auto",
        description="The format to run versions in; `auto`: the one that meets the service objective of "
        "a version's run, if it keeps up here, else the fastest here of those that the version has. "
        "A version without the format that is asked for fails, and where this machine cannot run it, the "
        "scorer does not become ready.",
    )
    tuning_s: float = Field(
        default=3.0,
        ge=0,
        description="About how long formats, threads and batches are measured when the first version of a "
        "kind is loaded on a machine, beside opening it; again at a later load if other work disturbed "
        "it; 0 measures nothing.",
    )
    batch_tokens: int = Field(
        default=2048,
        ge=1,
        description="The most tokens of a batch, padding included; less where measuring says so.",
    )
    max_queued_tokens: int = Field(
        default=262_144, ge=1, description="How many tokens may wait; beyond, calls are turned away."
    )
    load_wait_s: float = Field(
        default=10.0, ge=0, description="How long a call waits for a version that is being loaded."
    )
    memory_budget_bytes: int = Field(
        default=4 * 1024**3,
        ge=0,
        description="How much versions may take; the least recently used leave, those with an alias last. "
        "What is in use stays until it is not.",
    )
    cache_bytes: int = Field(
        default=32 * 1024**2,
        ge=0,
        description="About how much memory answers may take that are kept for texts that come again; "
        "0 keeps none. `cache_dir` is for bundles.",
    )
    evaluation_events: Literal["sampled", "all", "none"] = Field(
        default="sampled",
        description="Which scores become events for OpenTelemetry: those of calls whose trace is recorded, "
        "all, or none. A call that says `on` or `off` itself goes before.",
    )

    @field_validator("bundle_policy_file")
    @classmethod
    def _is_a_policy(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                read_policy(value)
            except OSError as error:
                raise ValueError(f"cannot be read: {error}") from error
        return value

    registry_silence_s: float = Field(
        default=30.0, gt=0, description="How long the registry may send nothing before it counts as away."
    )
