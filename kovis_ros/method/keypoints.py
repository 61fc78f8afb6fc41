"""The keypointer of Eq. 2-4: maps of logits to keypoints, without any parameter.

Convention:
    A map has H' x W' cells; network coordinates (x, y) are in [-1, 1] across it, x right, y down, so the centre of
    cell (row r, column c) is ((2 c + 1) / W' - 1, (2 r + 1) / H' - 1). A 32x32 map whose mass sits in cell (0, 31)
    has its centroid at (0.96875, -0.96875).
"""

from __future__ import annotations

import torch
from torch import Tensor


def cell_centres(count: int, device: torch.device | None = None) -> Tensor:
    """Network coordinates (count,) float32 of the cells along one side of a map."""
    return (2.0 * torch.arange(count, device=device, dtype=torch.float32) + 1.0) / count - 1.0


def attention(logits: Tensor) -> Tensor:
    """The softmax of Eq. 2 over the cells of each map: (B, K, H', W'), always fp32."""
    return logits.float().flatten(2).softmax(-1).view(logits.shape)


def centroids(weight: Tensor) -> Tensor:
    """Eq. 2: centroid (B, K, 2) as (x, y) in network coordinates of ``attention`` (B, K, H', W')."""
    x = (weight.sum(2) * cell_centres(weight.shape[3], weight.device)).sum(-1)
    y = (weight.sum(3) * cell_centres(weight.shape[2], weight.device)).sum(-1)
    return torch.stack([x, y], -1)


def confidences(logits: Tensor) -> Tensor:
    """Eq. 3: sigmoid of the largest logit, (B, K) in [0, 1], of logits (B, K, H', W'); always fp32."""
    return logits.float().amax((2, 3)).sigmoid()


def keypoints(logits: Tensor) -> Tensor:
    """Eq. 2 and 3 together: (B, K, 3) as (x, y, confidence) of logits (B, K, H', W')."""
    return torch.cat([centroids(attention(logits)), confidences(logits)[..., None]], -1)


def gaussian_maps(points: Tensor, size: int, rho: float | Tensor) -> Tensor:
    """Eq. 4: confidence times a Gaussian about each centroid, (B, K, size, size).

    points (B, K, 3) as ``keypoints`` gives them; rho is per squared *cell* of the map, so a keypoint fades to
    exp(-rho) one cell away from its centroid.
    """
    centres = cell_centres(size, points.device)
    cells = 0.5 * size  # network coordinates -> cells
    dx = (centres - points[..., 0:1]) * cells
    dy = (centres - points[..., 1:2]) * cells
    column, row = torch.exp(-rho * dx * dx), torch.exp(-rho * dy * dy)
    return (points[..., 2:3] * row)[..., :, None] * column[..., None, :]
