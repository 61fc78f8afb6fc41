"""A disk: its free space, looked at before long work starts, and what a file of it holds."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path


def free_bytes(path: Path) -> int:
    """Free bytes of the disk on which ``path`` lies or will lie; it need not exist yet."""
    place = next(p for p in (path, *path.resolve().parents) if p.exists())
    return shutil.disk_usage(place).free


def sha256(path: Path) -> str:
    """Of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
