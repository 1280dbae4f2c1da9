"""What a training computes with, kept in its checkpoints: another choice gives other last digits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_MOST_THREADS = 16


@dataclass(frozen=True, slots=True)
class Compute:
    device: str  # cpu | cuda
    precision: str  # bf16 | fp32: what the matrix products of the training are in; weights are fp32
    threads: int

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


def choose(threads: int | None) -> Compute:
    """Choose for this machine: CUDA if it is there; bf16 where the processor multiplies it natively.

    Measured on a CPU with AVX512-BF16 and MiniLM-L6: a training step takes half the time of fp32.
    """
    wanted = threads or min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    if torch.cuda.is_available():
        return Compute("cuda", "bf16" if torch.cuda.is_bf16_supported() else "fp32", wanted)
    return Compute("cpu", "bf16" if _cpu_multiplies_bf16() else "fp32", wanted)


def usable(recorded: Compute) -> Compute:
    """Return what a checkpoint was written with, or the nearest that this machine has."""
    if recorded.device == "cuda" and not torch.cuda.is_available():
        return choose(recorded.threads)
    return recorded


def _cpu_multiplies_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


@contextmanager
def reproducible(compute: Compute) -> Iterator[None]:
    """Make the same computation give the same bits, and leave torch's global settings as they were."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only so
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    torch.set_num_threads(compute.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # nothing here reads such memory
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        memory.fill_uninitialized_memory = fills
