"""Pictures of a task before anything is recorded: its goal, the corners of its start range, its landmarks; PNG."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, images, kinematics, motion
from kovis_ros.method.config import Task
from kovis_sim import camera, hand
from kovis_sim.appearance import Look, Surface
from kovis_sim.rollouts import free_line
from kovis_sim.scene import Scene
from kovis_sim.world import Light

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]  # (H, W, 3) bgr8
GOAL_PX, CORNER_PX = 480, 160
TARGET_COLOUR, GRIPPER_COLOUR, HELD_COLOUR = (0, 140, 255), (255, 160, 0), (80, 220, 80)  # bgr
COLUMNS = 4


def write(scene: Scene, folder: Path) -> list[Path]:
    """The three pictures; returns their paths. The scene is another one afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"goal": goal(scene), "starts": starts(scene), "landmarks": landmarks(scene)}
    paths = [folder / f"{name}.png" for name in made]
    for path, picture in zip(paths, made.values(), strict=True):
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return paths


def plain(task: Task) -> Look:
    """Even light without shadows; plain paint: target light, gripper dark, held object, if there is one, between."""
    light = Light((0.3, -0.4, 0.87), 0.55, 0.45, 0.1, False)
    table, held = Surface(0.75, 0.1, -1), Surface(0.65, 0.2, -1) if task.held.mesh else None
    return Look(light, Surface(0.95, 0.2, -1), Surface(0.35, 0.2, -1), held, (table,) * task.appearance.distractors,
                None, np.zeros((2, 3)), 0.75)  # fmt: skip


def stand(scene: Scene, size: int) -> None:
    """Target in the middle of its range, arm at the goal, object and camera where they should be, plain paint."""
    target = scene.task.target
    x, y = (sum(limits) / 2.0 for limits in target.position_range_m)
    scene.place(x, y, float(np.radians(sum(target.yaw_range_deg) / 2.0)), hand.nominal(scene.task.held))
    designed = camera.nominal(scene.task.camera)
    scene.camera = designed._replace(K=images.intrinsics(designed.field_of_view_deg, size), size=size)
    scene.dress(plain(scene.task), scene.rng)


def pair(scene: Scene, words: str) -> Picture:
    """What both eyes see now, left and right, with words over it."""
    picture = cv2.cvtColor(np.hstack(scene.stereo()), cv2.COLOR_GRAY2BGR)
    write_on(picture, words)
    return picture


def goal(scene: Scene) -> Picture:
    """The goal as both eyes see it."""
    stand(scene, GOAL_PX)
    return pair(scene, f"{scene.task.name}: goal, left and right eye")


def starts(scene: Scene) -> Picture:
    """Both eyes' view from each corner of the start range; one from which the way is not free is framed red."""
    stand(scene, CORNER_PX)
    tiles = []
    for displacement, words in corners(scene.task):
        try:
            scene.put(scene.world_T_goal @ geometry.exp(displacement))
        except kinematics.Unreachable:
            tile = np.zeros((CORNER_PX, 2 * CORNER_PX, 3), np.uint8)
            write_on(tile, f"{words} out of reach")
        else:
            touches = not np.array_equal(free_line(scene, displacement), displacement)
            tile = pair(scene, f"{words}{' touches' if touches else ''}")
            if touches:
                cv2.rectangle(tile, (0, 0), (tile.shape[1] - 1, tile.shape[0] - 1), (0, 0, 255), 2)
        tiles.append(cv2.copyMakeBorder(tile, 0, 3, 0, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255)))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    return np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])


def corners(task: Task) -> list[tuple[Array, str]]:
    """Displacements (6,) from the goal: the far end of each octant of the commanded translations, turned either way."""
    commanded = motion.axis_indices(task.axes)
    moves, turns = [i for i in commanded if i < 3], [i for i in commanded if i >= 3]
    reach, angle = task.rollout.start_distance_m[1], np.radians(task.rollout.start_rotation_deg)
    found = []
    for signs in product((1, -1), repeat=len(moves)):
        for way in (1, -1) if turns else (0,):
            displacement = np.zeros(6)
            displacement[moves] = np.array(signs) * reach / np.sqrt(max(len(moves), 1))
            displacement[turns] = way * angle / np.sqrt(max(len(turns), 1))
            named = zip((*signs, *[way] * len(turns)), (*moves, *turns), strict=True)
            found.append((displacement, " ".join(f"{'+' if sign > 0 else '-'}{motion.AXES[i]}" for sign, i in named)))
    return found


def landmarks(scene: Scene) -> Picture:
    """Left and right eye at the goal with the numbered points that keypoints learn to find."""
    stand(scene, GOAL_PX)
    picture = pair(scene, "landmarks: target orange, gripper blue, held object green")
    points = scene.truth().keypoints
    count = points.shape[1] // 2
    for eye, offset in zip(points, (0, GOAL_PX), strict=True):
        for i, (x, y, inside) in enumerate(eye):
            if inside:
                tool = HELD_COLOUR if scene.landmarks.held[i % count] else GRIPPER_COLOUR
                place = (round(float(x)) + offset, round(float(y)))
                cv2.circle(picture, place, 4, TARGET_COLOUR if i < count else tool, -1, cv2.LINE_AA)
                cv2.putText(picture, str(i), (place[0] + 5, place[1] - 4), cv2.FONT_HERSHEY_PLAIN, 0.8, (0, 0, 0), 1)
    return picture


def write_on(picture: Picture, words: str) -> None:
    """Words in the upper left corner."""
    for width, ink in ((3, (255, 255, 255)), (1, (0, 0, 0))):
        cv2.putText(picture, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink, width, cv2.LINE_AA)
