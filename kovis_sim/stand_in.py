"""The authors' way of recording, rebuilt from a description of it: the reference of our speed that runs here.

Their generator is not here (GPL). As it does, this draws each eye by TinyRenderer with depth and segmentation, with
light and camera anew, and writes PNG files and one YAML file a sample. The scene is bare: a target, two fingers and a
palm as boxes over a table, no arm, nothing else around. So a sample costs less than theirs: a harder reference.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from kovis_ros.method import geometry, motion
from kovis_ros.method.config import Task
from kovis_sim import camera, hand, robot
from kovis_sim.world import Light, Picture, World

Array = NDArray[np.float64]
STEPS, LONGEST_M = 5, 0.017  # images of a roll-out, the first at the goal; a step of it
BOXES = {  # half extents, and places in tool0 (m)
    "palm": ((0.060, 0.035, 0.045), (0.0, 0.0, 0.045)),
    "right_finger": ((0.008, 0.011, 0.035), (0.050, 0.0, 0.125)),
    "left_finger": ((0.008, 0.011, 0.035), (-0.050, 0.0, 0.125)),
}


def generation(task: Task, size_px: int, samples: int) -> float:
    """Stereo samples of ``size_px`` per second of one core, by processor time."""
    cv2.setNumThreads(1)
    task = dataclasses.replace(task, camera=dataclasses.replace(task.camera, size_px=size_px))
    world, rng = bare(task), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        for number in range(samples):
            displacement = away(*divmod(number, STEPS))
            pictures, K = draw(world, task, displacement, rng)
            write(Path(folder), number, pictures, K, displacement)
        seconds = time.process_time() - start
    world.close()
    return samples / seconds


def bare(task: Task) -> World:
    """Target at the origin of a table, and a gripper of boxes."""
    world = World(gravity=False)
    world.add_mesh("target", robot.ASSETS / task.target.mesh)
    world.add_box("table", (0.5, 0.5, 0.01), collides=False)
    world.set_pose("table", geometry.pose((0.0, 0.0, -0.01)))
    for name, (half, _) in BOXES.items():
        world.add_box(name, half, collides=False)
    return world


def away(rollout: int, step: int) -> Array:
    """Displacement (3,) of the tcp from the goal, in metres: a straight line outwards and up."""
    low, high = np.full(3, -LONGEST_M), np.array([LONGEST_M, LONGEST_M, 0.0])
    return step * np.random.default_rng(rollout).uniform(low, high)


def draw(world: World, task: Task, displacement: Array, rng: np.random.Generator) -> tuple[list[Picture], Array]:
    """Both eyes of a camera drawn at random, each with a light of its own; and the intrinsics (3, 3)."""
    goal = geometry.pose_rpy(task.goal.position_m, np.radians(task.goal.rpy_deg))
    tcp = geometry.pose((0.0, 0.0, task.tcp_offset_m)) @ hand.nominal(task.held)
    tool0 = goal @ geometry.pose(displacement) @ geometry.inverse(tcp)
    for name, (_, place) in BOXES.items():
        world.set_pose(name, tool0 @ geometry.pose(place))
        world.paint(name, float(rng.random()))
    world.paint("target", float(rng.random()))
    stereo = camera.draw(task.camera, rng)
    pictures = []
    for eye in stereo.eyes(tool0):
        x, y = rng.uniform(-1.0, 1.0, 2).tolist()
        pictures.append(world.render(eye, stereo.K, stereo.size, Light((x, y, 1.0), 0.5, 0.5, 0.2, True)))
    return pictures, stereo.K


def write(folder: Path, number: int, pictures: list[Picture], K: Array, displacement: Array) -> None:
    """A sample as files: image, depth (0.1 mm) and segmentation of each eye, and its label."""
    for side, picture in zip(("left", "right"), pictures, strict=True):
        depth = np.clip(1e4 * picture.depth, 0, 65535).astype(np.uint16)
        for what, image in (("image", picture.grey), ("depth", depth), ("segmentation", np.uint8(picture.body + 1))):
            cv2.imwrite(str(folder / f"{number:06d}_{side}_{what}.png"), image)
    direction, speed = motion.label(-displacement)
    label = {"direction": direction.tolist(), "speed": float(speed), "K": K.tolist()}
    (folder / f"{number:06d}.yaml").write_text(yaml.safe_dump(label))
