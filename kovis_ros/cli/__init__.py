"""The `kovis` command: one file a command, found by its name and imported when it is called."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def save_json(path: str | Path | None, data: Mapping[str, Any]) -> None:
    """Write one JSON object whole or not at all; a path of None (no --json given) does nothing."""
    if path is None:
        return
    target = Path(path)
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_text(json.dumps(data, indent=2, default=plain) + "\n")
    os.replace(scratch, target)


def plain(value: Any) -> Any:
    """What JSON has for a numpy scalar or array, a path or a set."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)
