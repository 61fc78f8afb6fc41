"""Where the parts of a bag lie in its folder, and whose recording it is."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from kovis_ros.bags.sample import BagError, Recording

METADATA = "metadata.yaml"  # rosbag2's; written last
STARTED = "recording.yaml"  # ours, while the recording is not finished


# what a damaged YAML file raises: no YAML, no UTF-8, nested too deeply, or made of other things than ours
DAMAGE = (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError)


def why(error: Exception) -> str:
    """An error in a line of at most 120 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]


def shard_path(folder: Path, number: int) -> Path:
    """Where shard `number` of the bag `folder` lies: FOLDER/FOLDER_0000.mcap."""
    return Path(folder) / f"{Path(folder).resolve().name}_{number:04d}.mcap"


def shards(folder: Path) -> list[Path]:
    """The finished shards of a bag in order; empty for a folder that does not exist."""
    return sorted(Path(folder).glob(f"{Path(folder).resolve().name}_????.mcap"))


def recorded(folder: Path) -> Recording:
    """What a begun or finished bag was recorded with; BagError when it is damaged or none of ours."""
    for name in (STARTED, METADATA):
        try:
            data = yaml.safe_load((folder / name).read_text())
            if name == METADATA:
                data = data["rosbag2_bagfile_information"]["custom_data"]
            text = str(data["task_yaml"])
            if not isinstance(settings := yaml.safe_load(text), dict):
                raise TypeError(f"task_yaml is {settings!r}")
            scene = str(data.get("scene_sha256", ""))
            return Recording(data["task"], int(data["seed"]), str(data["version"]), text, scene)
        except FileNotFoundError:
            continue
        except DAMAGE as error:
            raise BagError(f"{folder / name} is damaged or not of KOVIS ({why(error)}): record another bag") from error
    raise BagError(f"{folder} is not empty and no bag of KOVIS (no {METADATA}): give an empty or new folder")


def replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never half."""
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
