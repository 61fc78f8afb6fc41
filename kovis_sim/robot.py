"""The arm and gripper as one description: URDF text, gripper link poses, joint targets.

``python -m kovis_sim.robot`` writes ``assets/ur5_2f85.urdf``; robot_state_publisher reads the same file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry
from kovis_ros.method.kinematics import ALPHA, JOINT_NAMES, UR5, Arm
from kovis_sim import gripper

Array = NDArray[np.float64]
ASSETS = Path(__file__).parent / "assets"
URDF = ASSETS / "ur5_2f85.urdf"
MASSES_KG = (3.7, 8.393, 2.33, 1.219, 1.219, 0.1879)  # published for the UR5
READY_Q = (
    3.0,
    -1.5,
    2.0,
    -2.1,
    -1.5708,
    0.0,
)  # elbow up, gripper down in front of the arm: where inverse kinematics starts
FINGER_JOINTS = ("right_outer_joint", "left_outer_joint", "right_tip_joint", "left_tip_joint")
LINKS = ("base", "right_outer", "left_outer", "right_inner", "left_inner", "right_tip", "left_tip")
MESHES = {"base": "base", "outer": "outer_link", "inner": "inner_knuckle", "tip": "fingertip"}
PAD_FORCE_ARM_M = float(np.hypot(*gripper.CRANK))
# Visible body of each arm link in its own joint frame: a cylinder (radius, length) along an axis, centred at a point.
BODIES = (
    (0.060, 0.16, "y", (0.0, 0.0, 0.0)),
    (0.055, 0.425, "x", (-0.2125, 0.0, 0.136)),
    (0.045, 0.392, "x", (-0.196, 0.0, 0.016)),
    (0.045, 0.11, "y", (0.0, 0.0, 0.0)),
    (0.045, 0.11, "y", (0.0, 0.0, 0.0)),
    (0.038, 0.04, "z", (0.0, 0.0, 0.055)),
)


def mesh_file(link: str) -> Path:
    """Visual mesh of a gripper link."""
    return ASSETS / "gripper" / f"{MESHES[link.split('_')[-1]]}.obj"


def gripper_poses(tool0: ArrayLike, opening_m: float) -> dict[str, Array]:
    """Poses (4, 4) of the gripper's links at an opening, in the frame in which ``tool0`` (4, 4) is given."""
    base = np.asarray(tool0, float) @ geometry.pose((0, 0, gripper.FLANGE_M))
    turned = geometry.pose((0, 0, 0), geometry.rotation((0, -gripper.angle(opening_m), 0)))
    outer = geometry.pose((gripper.OUTER_PIVOT[0], 0, gripper.OUTER_PIVOT[1])) @ turned
    inner = geometry.pose((gripper.INNER_PIVOT[0], 0, gripper.INNER_PIVOT[1])) @ turned
    pin = (outer @ np.array([gripper.CRANK[0], 0, gripper.CRANK[1], 1.0]))[:3]
    mirror = np.diag([-1.0, -1.0, 1.0, 1.0])
    poses = {"base": base}
    for side, flip in (("right", np.eye(4)), ("left", mirror)):
        for name, local in (("outer", outer), ("inner", inner), ("tip", geometry.pose(pin))):
            poses[f"{side}_{name}"] = base @ flip @ local
    return poses


def joint_targets(q: ArrayLike, opening_m: float) -> dict[str, float]:
    """Joint name -> rad for the arm and both fingers."""
    turn = gripper.angle(opening_m)
    targets = dict(zip(JOINT_NAMES, np.asarray(q, float).tolist(), strict=False))
    for side in ("right", "left"):
        targets[f"{side}_outer_joint"] = targets[f"{side}_inner_joint"] = turn
        targets[f"{side}_tip_joint"] = -turn
    return targets


def finger_torque(force_n: float) -> float:
    """Torque (N m) at an outer link that presses a pad with a force."""
    return force_n * PAD_FORCE_ARM_M


def urdf(arm: Arm = UR5) -> str:
    """URDF of the arm with its gripper, link by link from the DH table and the gripper's dimensions."""
    parts = [
        '<?xml version="1.0"?>',
        f'<robot name="{arm.name}_2f85">',
        '  <link name="base">' + _inertia(4.0, 0.15) + "</link>",
    ]
    lengths = zip((0.0, arm.a2, arm.a3, 0.0, 0.0, 0.0), (arm.d1, 0.0, 0.0, arm.d4, arm.d5, arm.d6), strict=False)
    parent, origin = "base", ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    for i, (name, (a, d), alpha) in enumerate(zip(JOINT_NAMES, lengths, ALPHA, strict=False)):
        link = name.replace("_joint", "_link")
        parts += [_arm_link(link, i), _revolute(name, parent, link, origin, "0 0 1", arm.max_joint_rad[i])]
        parent, origin = link, ((a, 0.0, d), (alpha, 0.0, 0.0))
    parts += ['  <link name="tool0">' + _inertia(0.01, 0.02) + "</link>", _fixed("flange", parent, "tool0", origin)]
    parts += _gripper_urdf()
    return "\n".join([*parts, "</robot>"]) + "\n"


def _gripper_urdf() -> list[str]:
    """Links and joints of the gripper below tool0."""
    parts = [_mesh_link("gripper_base", "base", ["base"], 0.6)]
    parts.append(_fixed("gripper_mount", "tool0", "gripper_base", ((0, 0, gripper.FLANGE_M), (0, 0, 0))))
    tips = [f"fingertip_piece_{i}" for i in range(3)]
    for side, x, yaw in (("right", 1.0, 0.0), ("left", -1.0, np.pi)):
        for name, (px, pz) in (("outer", gripper.OUTER_PIVOT), ("inner", gripper.INNER_PIVOT)):
            link = f"{side}_{name}"
            parts.append(_mesh_link(link, MESHES[name], [], 0.03))
            parts.append(
                _revolute(f"{link}_joint", "gripper_base", link, ((x * px, 0, pz), (0, 0, yaw)), "0 -1 0", 1.0)
            )
        parts.append(_mesh_link(f"{side}_tip", "fingertip", tips, 0.04))
        crank = ((gripper.CRANK[0], 0.0, gripper.CRANK[1]), (0.0, 0.0, 0.0))
        parts.append(_revolute(f"{side}_tip_joint", f"{side}_outer", f"{side}_tip", crank, "0 -1 0", 1.0))
    return parts


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{v:.10g}" for v in values)


def _origin(origin: tuple[tuple[float, ...], tuple[float, ...]]) -> str:
    return f'<origin xyz="{_numbers(origin[0])}" rpy="{_numbers(origin[1])}"/>'


def _inertia(mass: float, size: float) -> str:
    value = f"{mass * size**2 / 6.0:.6g}"
    moments = " ".join(
        f'{axis}="{value if axis[1] == axis[2] else 0}"' for axis in ("ixx", "ixy", "ixz", "iyy", "iyz", "izz")
    )
    return f'<inertial><mass value="{mass}"/><inertia {moments}/></inertial>'


def _arm_link(link: str, index: int) -> str:
    radius, length, axis, centre = BODIES[index]
    rpy = {"x": (0.0, np.pi / 2, 0.0), "y": (np.pi / 2, 0.0, 0.0), "z": (0.0, 0.0, 0.0)}[axis]
    shape = f'{_origin((centre, rpy))}<geometry><cylinder radius="{radius}" length="{length}"/></geometry>'
    solid = f"<collision>{shape}</collision>" if index > 0 else ""
    return f'  <link name="{link}">{_inertia(MASSES_KG[index], 0.1)}<visual>{shape}</visual>{solid}</link>'


def _mesh_link(link: str, visual: str, pieces: list[str], mass: float) -> str:
    def mesh(name: str) -> str:
        return f'<geometry><mesh filename="gripper/{name}.obj"/></geometry>'

    solids = "".join(f"<collision>{mesh(piece)}</collision>" for piece in pieces)
    return f'  <link name="{link}">{_inertia(mass, 0.04)}<visual>{mesh(visual)}</visual>{solids}</link>'


def _revolute(name: str, parent: str, child: str, origin: object, axis: str, limit: float) -> str:
    return (
        f'  <joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'{_origin(origin)}<axis xyz="{axis}"/>'  # type: ignore[arg-type]
        f'<limit lower="{-limit:.5g}" upper="{limit:.5g}" effort="150" velocity="3.15"/></joint>'
    )


def _fixed(name: str, parent: str, child: str, origin: object) -> str:
    return (
        f'  <joint name="{name}" type="fixed"><parent link="{parent}"/><child link="{child}"/>'
        f"{_origin(origin)}</joint>"  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    URDF.write_text(urdf())
