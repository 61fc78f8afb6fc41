"""Settings of a new task, drawn up from its meshes: the shipped tasks' proportions at the object's size.

Convention: the target stands on z = 0 of its frame. A held object has the middle of its leading end at the origin and
rises along z; the fingers close along its y. At a goal without rotation both frames are parallel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import trimesh
import yaml
from numpy.typing import NDArray

from kovis_ros.method.config import ConfigError, Task, from_dict, load_task, to_dict
from kovis_ros.method.parsing import build
from kovis_ros.method.robotiq_2f85 import STROKE_M
from kovis_ros.method.sizes import resized
from kovis_sim import gripper
from kovis_sim.meshes import write_object
from kovis_sim.solids import Solid

DENSITY = 1000.0  # kg/m3, of plastic
LEAST_KG = 0.05
ABOVE_M = 0.010  # goal of a held object above the target's top: free of contact at any pose in the hand
SLACK_M = 0.004  # that the push goes further than it must
FINGERS_CLEAR_M = 0.012  # between fingertips and target when the object is seated
END_M = 0.001  # from an end's face, where its extent is looked at
PEG_M = 0.006  # that each finger's peg stands out from its pad
TIP_M = gripper.FINGERTIP[1][0][1][1] - gripper.PEG_Z  # from the pegs' centre to the end of the fingers
FORWARD_M = 0.014  # that closing carries the pegs: the goal of a grasp is so much above its place
RECIPE, RECIPE_PX = "pick_mug", 128  # the task whose networks and training a new one begins with, and what they see


class Wish(NamedTuple):
    """What the user said about the task beyond its meshes; None: to be drawn up."""

    axes: Sequence[str] | None = None
    symmetry: Sequence[int] | None = None
    goal: Sequence[float] | None = None  # x, y, z in metres, roll, pitch, yaw in degrees
    depth_m: float = 0.008  # that a held object goes into the target
    settings: Sequence[str] = ()  # KEY=VALUE, dotted keys, YAML values


def draft(name: str, target: Solid, held: Solid | None, wish: Wish) -> Task:
    """The task, with meshes at ``./meshes``; ConfigError for a wish that cannot be, UserWarning as ``from_dict``."""
    top, recipe = float(target.mesh.bounds[1, 2]), to_dict(resized(load_task(RECIPE), RECIPE_PX))
    settings: dict[str, Any] = {
        "name": name,
        "target": {**_files("target"), "mass_kg": _mass(target.mesh)},
        "model": recipe["model"],
        "training": recipe["training"],
        **(_grasp(target.mesh) if held is None else _insertion(top, held.mesh, wish.depth_m)),
    }
    fulfil(wish, settings)
    task = from_dict(settings, f"task {name}")
    if held is not None:
        _expect_below(task.goal.position_m, target.mesh, top - END_M, "the top of --target")
        _expect_below((0.0, 0.0), held.mesh, END_M, "the leading end of --held")
    elif to_dict(task.goal) == _around(target.mesh):
        _expect_narrow(target.mesh, task)
    return task


def check(name: str, wish: Wish) -> None:
    """ConfigError for a wish that is faulty whatever the meshes: an unknown key, a wrong type, a reversed range."""
    settings: dict[str, Any] = {"name": name, "target": {}}
    fulfil(wish, settings)
    build(Task, settings, f"task {name}")


def fulfil(wish: Wish, settings: dict[str, Any]) -> None:
    """Put what was wished for into nested settings."""
    if wish.axes is not None:
        settings["axes"] = list(wish.axes)
    if wish.symmetry is not None:
        settings["symmetry"] = list(wish.symmetry)
    if wish.goal is not None:
        settings["goal"] = {"position_m": list(wish.goal[:3]), "rpy_deg": list(wish.goal[3:])}
    for setting in wish.settings:
        put(settings, setting)


def _expect_below(place: Sequence[float], mesh: trimesh.Trimesh, height: float, what: str) -> None:
    """ConfigError unless x, y of the mesh's frame, where one goes into the other, lie in its extent at a height."""
    cut = _outline(mesh, height)
    at = np.asarray(place[:2])
    if len(cut) and not np.all((cut.min(0)[:2] <= at) & (at <= cut.max(0)[:2])):
        (x, y, _), (far_x, far_y, _) = 1e3 * cut.min(0), 1e3 * cut.max(0)
        raise ConfigError(
            f"{what} lies at x {x:.0f} to {far_x:.0f} mm, y {y:.0f} to {far_y:.0f} mm, and one goes into the other at "
            f"x {1e3 * place[0]:.0f}, y {1e3 * place[1]:.0f} mm: move the origin in CAD, or the goal"
        )


def _outline(mesh: trimesh.Trimesh, height: float) -> NDArray[np.float64]:
    """Points (N, 3) of the surface at a height; none where it has no extent."""
    return np.asarray(trimesh.intersections.mesh_plane(mesh, (0.0, 0.0, 1.0), (0.0, 0.0, height)).reshape(-1, 3))


def _around(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """The goal of a hand that closes along y around the middle of the target."""
    x, y, half = (float(value) for value in mesh.bounds.mean(0))
    place = [round(x, 4), round(y, 4), round(max(half, 0.012) + FORWARD_M, 4)]
    return {"position_m": place, "rpy_deg": [180.0, 0.0, 90.0]}


def _expect_narrow(mesh: trimesh.Trimesh, task: Task) -> None:
    """ConfigError unless the target's upper half, which the hand reaches around, goes between the fingers' pegs."""
    half = float(mesh.bounds[:, 2].mean())
    upper = np.vstack([mesh.vertices[mesh.vertices[:, 2] >= half], _outline(mesh, half)])
    width, room = float(np.ptp(upper[:, 1])), task.held.grip_m - 2.0 * PEG_M
    if width > room:
        raise ConfigError(
            f"--target is {1e3 * width:.0f} mm wide along y, where the fingers close, of at most {1e3 * room:.0f} mm: "
            "turn it about z, or give --goal at a narrower part"
        )


def _grasp(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """An empty hand closes around the middle of the target and lifts it."""
    return {
        "goal": _around(mesh),
        "tcp_offset_m": 0.160,
        "completion": [
            {"gripper_m": 0.0, "force_n": 60.0, "settle_s": 0.5},
            {"move_m": [0.0, 0.0, -0.090], "speed_mps": 0.05, "force_limit_n": 80.0},
        ],
        "success": {"kind": "lift", "distance_m": 0.050},
    }


def _insertion(top: float, mesh: trimesh.Trimesh, depth: float) -> dict[str, Any]:
    """A held object stops above the middle of the target and is pushed in."""
    grip = round(float(mesh.extents[1]) + 2.0 * PEG_M, 4)
    if grip > STROKE_M:
        raise ConfigError(
            f"--held is {1e3 * mesh.extents[1]:.0f} mm wide along y, where the fingers close, of at most "
            f"{1e3 * (STROKE_M - 2 * PEG_M):.0f} mm: turn it about z, or hold a smaller part"
        )
    beyond = depth + FINGERS_CLEAR_M
    if beyond > float(mesh.extents[2]):
        raise ConfigError(
            f"--held is {1e3 * mesh.extents[2]:.0f} mm long and {1e3 * beyond:.0f} mm of it must stand out of the "
            "fingers: give a smaller --depth or a longer object"
        )
    tcp = round(gripper.peg_height(grip) + TIP_M + beyond, 4)
    return {
        "held": {**_files("held"), "mass_kg": _mass(mesh), "grip_m": grip, "rpy_deg": [180.0, 0.0, 90.0]},
        "goal": {"position_m": [0.0, 0.0, round(top + ABOVE_M, 5)], "rpy_deg": [0.0, 0.0, 0.0]},
        "tcp_offset_m": tcp,
        "camera": {"eye_m": [0.0, -0.130, round(tcp - 0.090, 4)], "look_at_m": [0.0, -0.012, round(tcp + 0.010, 4)]},
        "completion": [
            {
                "move_m": [0.0, 0.0, round(ABOVE_M + depth + SLACK_M, 4)],
                "speed_mps": 0.02,
                "force_limit_n": 40.0,
                "settle_s": 0.5,
            }
        ],
        "success": {"kind": "seat", "rim_m": round(top, 5), "distance_m": depth, "force_n": 100.0},
    }


def put(settings: dict[str, Any], setting: str) -> None:
    """One ``KEY=VALUE`` into nested settings; ConfigError when it is none or its value is no YAML."""
    key, equals, value = setting.partition("=")
    *sections, last = key.strip().split(".")
    place = settings
    for section in sections:
        place = place.setdefault(section, {}) if isinstance(place, dict) else {}
    try:
        if not equals or not last or not isinstance(place, dict):
            raise ValueError("no KEY=VALUE")
        place[last] = yaml.safe_load(value)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"--set {setting!r} cannot be read: give KEY=VALUE, as target.mass_kg=0.3") from error


def write_meshes(folder: Path, solids: dict[str, Solid]) -> None:
    """Visual meshes and convex pieces by the names that the settings have for them."""
    for name, solid in solids.items():
        write_object(folder, name, solid.mesh, solid.pieces)


def _files(name: str) -> dict[str, str]:
    return {"mesh": f"./meshes/{name}.obj", "collision": f"./meshes/{name}_piece_*.obj"}


def _mass(mesh: trimesh.Trimesh) -> float:
    """Kilograms of a mesh, estimated."""
    volume = float(mesh.volume) if mesh.is_watertight else 0.3 * float(mesh.convex_hull.volume)
    return round(max(DENSITY * abs(volume), LEAST_KG), 3)
