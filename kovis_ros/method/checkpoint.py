"""Trained networks in one .safetensors file: weights, the whole task, and a golden pair that is checked on load."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kovis_ros.method import images
from kovis_ros.method.config import ConfigError, Task, from_dict, to_dict
from kovis_ros.method.networks import Network
from kovis_ros.method.networks.paper import PaperSized

FORMAT = "kovis-1"
TOLERANCE = 1e-3
PAPER = "paper"  # of networks of its sizes, which are not ours


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file, what is wrong and the remedy."""


class Checkpoint(NamedTuple):
    """What a file holds."""

    task: Task
    network: Network  # fp32, on the CPU, in evaluation mode
    about: dict[str, str]  # figures of the training run


def find(name: str | Path) -> Path:
    """File of a shipped checkpoint by task name, or a path as it is; CheckpointError lists the shipped ones."""
    path = Path(name)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise CheckpointError(f"checkpoint {path} does not exist: check the path")
        return path
    folder = Path(__file__).resolve().parents[1] / "weights"
    known = sorted(file.stem for file in folder.glob("*.safetensors"))
    if path.name not in known or path.name != str(name):
        raise CheckpointError(
            f"checkpoint {str(name)!r} is unknown: shipped are {', '.join(known) or 'none'}, "
            "or give the path of a .safetensors file"
        )
    return folder / f"{path.name}.safetensors"


def golden_input(size: int) -> Tensor:
    """A fixed prepared stereo pair (1, 2, S, S): shapes that any network finds something in."""
    rng = np.random.default_rng(20200101)
    grey = rng.integers(0, 256, (2, 8, 8)).astype(np.float32).repeat(16, 1).repeat(16, 2)
    return images.prepare(torch.from_numpy(grey), images.Crop(-0.5, -0.5, 128.0), size)[:, 0][None]


@torch.inference_mode()
def golden_output(network: Network) -> Tensor:
    """Keypoints (2, K, 3) and the servo's vector (d,) of the golden input, one after the other."""
    keypoints = network.find(golden_input(network.map_size * network.encoder.fold))
    return torch.cat([keypoints.flatten(), network.servo(keypoints).vector.flatten()])


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names and bytes of the tensors."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode() + tensors[name].numpy().tobytes())
    return total.hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of the task's JSON."""
    return hashlib.sha256(text.encode()).hexdigest()


def save(path: str | Path, task: Task, network: Network, about: dict[str, str] | None = None) -> None:
    """Write the network, in fp32, and everything that the robot repeats from training; whole or not at all."""
    kind = PaperSized if isinstance(network, PaperSized) else Network
    plain = kind(task).eval()
    plain.load_state_dict({name: value.detach().cpu() for name, value in network.state_dict().items()})
    tensors = {name: value.contiguous().clone() for name, value in plain.state_dict().items()}
    tensors["golden.output"] = golden_output(plain)
    metadata = {"format": FORMAT, "task": json.dumps(to_dict(task)), "about": json.dumps(about or {})}
    if kind is PaperSized:
        metadata["sizes"] = PAPER
    metadata |= {"sha256": digest(tensors), "task_sha256": text_digest(metadata["task"])}
    target = Path(path)
    part = target.with_name(target.name + ".part")
    save_file(tensors, part, metadata)
    os.replace(part, target)


def load(name: str | Path) -> Checkpoint:
    """Checkpoint by shipped name or path; CheckpointError when missing, damaged, foreign, or off its golden output."""
    path = find(name)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged ({error}): fetch or train it again") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"checkpoint {path} is foreign (format {metadata.get('format')!r}, "
            f"not {FORMAT!r}): give one that kovis train wrote"
        )
    if metadata.get("sha256", found := digest(tensors)) != found:  # the golden output alone overlooks small damage
        raise CheckpointError(f"checkpoint {path} is damaged (its weights have changed): fetch or train it again")
    stated = metadata.get("task", "")
    if metadata.get("task_sha256", found := text_digest(stated)) != found:  # older files do not tell
        raise CheckpointError(f"checkpoint {path} is damaged (its task has changed): fetch or train it again")
    try:
        task = from_dict(json.loads(metadata["task"]), f"checkpoint {path}")
        about = json.loads(metadata.get("about", "{}"))
        network = (PaperSized if metadata.get("sizes") == PAPER else Network)(task).eval()
        golden = tensors.pop("golden.output")
        network.load_state_dict(tensors)
    except (ConfigError, KeyError, ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())[:200]
        raise CheckpointError(f"checkpoint {path} does not fit this version ({line}): train it again") from error
    error_max = float((golden_output(network) - golden).abs().max())
    if not error_max <= TOLERANCE:
        raise CheckpointError(
            f"checkpoint {path} is off its golden output by {error_max:.2g} (limit {TOLERANCE}): "
            "it is damaged, fetch or train it again"
        )
    return Checkpoint(task, network, about)


def shipped(name: str) -> bool:
    """Whether weights of a task come with the package."""
    try:
        return find(name).is_file()
    except CheckpointError:
        return False
