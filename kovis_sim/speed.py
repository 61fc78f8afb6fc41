"""How fast roll-outs are made: arm, gripper, randomisation and the writing of the bag included."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import cv2

from kovis_ros import bags
from kovis_ros.method.config import Task
from kovis_sim.rollouts import rollout
from kovis_sim.scene import Scene


def generation(task: Task, size_px: int, rollouts: int) -> float:
    """Stereo samples of ``size_px`` per second of one core: by processor time, so that other work does not count."""
    cv2.setNumThreads(1)
    camera = dataclasses.replace(task.camera, size_px=size_px)
    scene = Scene(dataclasses.replace(task, camera=camera))
    samples = (sample for index in range(1, rollouts + 1) for sample in rollout(scene, 0, index))
    list(rollout(scene, 0, 0))  # the first draws fill the pools
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        count = bags.write_shard(bags.shard_path(Path(folder), 0), samples, task.axes)
        seconds = time.process_time() - start
    scene.close()
    return count / seconds
