"""What a figure was measured on."""

from __future__ import annotations

from pathlib import Path

from torch.backends.cpu import get_cpu_capability


def has_amx() -> bool:
    """Has the processor tiles for matrix products in bf16."""
    path = Path("/proc/cpuinfo")
    return path.is_file() and "amx_bf16" in path.read_text()


def described(cores: int) -> str:
    """The processor in a few words, for a person."""
    return f"{cores} cores, {get_cpu_capability()}{' with AMX' * has_amx()}"
