"""Free space of a disk, looked at before long work starts."""

from __future__ import annotations

import shutil
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Free bytes of the disk on which ``path`` lies or will lie; it need not exist yet."""
    place = next(p for p in (path, *path.resolve().parents) if p.exists())
    return shutil.disk_usage(place).free
