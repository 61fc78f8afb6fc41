"""The processor that networks are trained on."""

from __future__ import annotations

import torch

from kovis_ros.method.train_error import TrainError


def pick_device(name: str) -> torch.device:
    """The device of a name; auto is the GPU where there is one. TrainError when it is missing."""
    if name not in ("auto", "cpu", "cuda"):
        raise TrainError(f"device {name!r} is unknown: choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainError("device 'cuda' is not there: choose cpu or auto, or install torch with CUDA")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")
