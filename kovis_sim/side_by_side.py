"""The same scenes by both renderers: ``python -m kovis_sim.side_by_side FILE.png`` writes a row of images of each."""

from __future__ import annotations

import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.config import Task, load_task
from kovis_sim.path_tracer import PathTracer
from kovis_sim.scene import Scene

TASKS = ("pick_mug", "insert_shaft", "insert_plug")
SEEDS = (10_000, 10_001, 10_002)
ENLARGED = 2


def left_images(task: Task, renderer: PathTracer | None) -> list[NDArray[np.uint8]]:
    """What the left infrared camera delivers at the start of a trial with each of ``SEEDS``."""
    scene = Scene(task, split="test", sensor=True, renderer=renderer)
    images = []
    for seed in SEEDS:
        scene.reset(seed)
        images.append(scene.stereo()[0])
    scene.close()
    return images


def sheet() -> NDArray[np.uint8]:
    """The trained renderer's images above path traced ones, three trials of each task."""
    tracer = PathTracer(samples=64)
    rows = [[left_images(load_task(name), renderer) for name in TASKS] for renderer in (None, tracer)]
    whole = np.vstack([np.hstack([image for images in row for image in images]) for row in rows])
    return whole.repeat(ENLARGED, 0).repeat(ENLARGED, 1)


if __name__ == "__main__":
    cv2.imwrite(sys.argv[1], sheet())
