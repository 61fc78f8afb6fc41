"""The one door to PyBullet: bodies by name, poses as 4x4 matrices, images as arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry
from kovis_sim import opengl
from kovis_sim.quiet import quiet

with quiet():
    import pybullet
    from pybullet_utils.bullet_client import BulletClient

Array = NDArray[np.float64]


class Light(NamedTuple):
    """One distant light and the shares of ambient, diffuse and specular reflection, 0..1."""

    direction: tuple[float, float, float]  # towards the light, world
    ambient: float
    diffuse: float
    specular: float
    shadow: bool


class Picture(NamedTuple):
    """What a camera sees."""

    grey: NDArray[np.uint8]  # (H, W)
    depth: NDArray[np.float32]  # (H, W) metres along the optical axis
    body: NDArray[np.int32]  # (H, W) body number, -1 where there is nothing


class Contact(NamedTuple):
    """One contact between two bodies."""

    a: str
    b: str
    force_n: float
    distance_m: float  # negative: penetration


class World:
    """A physics client of its own, without a window."""

    def __init__(self, gravity: bool = True, step_s: float = 1e-3) -> None:
        with quiet():
            self._bullet = BulletClient(pybullet.DIRECT)
        self._bodies: dict[str, int] = {}
        self._joints: dict[str, dict[str, int]] = {}
        self._links: dict[str, dict[str, int]] = {}
        self._grips: dict[str, int] = {}
        self._away: dict[str, int] = {}
        self.step_s = step_s
        self._bullet.setPhysicsEngineParameter(
            fixedTimeStep=step_s, numSolverIterations=50, deterministicOverlappingPairs=1
        )
        if gravity:
            self._bullet.setGravity(0, 0, -9.81)

    def close(self) -> None:
        """Release the client; the world is of no use afterwards."""
        self._bullet.disconnect()

    def __len__(self) -> int:
        return len(self._bodies)

    # -- bodies -------------------------------------------------------------------------------------------------
    def add_mesh(
        self, name: str, visual: Path | None, pieces: Iterable[Path] = (), mass_kg: float = 0.0, friction: float = 0.6
    ) -> None:
        """A rigid body: one visual mesh, convex collision pieces, mass 0 for one that does not move by itself."""
        files = [str(piece) for piece in pieces]
        if files:
            body = self._load_pieces(visual, files, mass_kg)
            self._bullet.changeDynamics(body, -1, lateralFriction=friction, spinningFriction=0.002)
        else:
            look = self._bullet.createVisualShape(pybullet.GEOM_MESH, fileName=str(visual), rgbaColor=[1, 1, 1, 1])
            body = self._bullet.createMultiBody(mass_kg, -1, look)
        self._bodies[name] = body

    def add_box(self, name: str, half_extents: Sequence[float], collides: bool, friction: float = 0.6) -> None:
        """A fixed box with half extents (3,) in metres."""
        bullet = self._bullet
        look = bullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=list(half_extents), rgbaColor=[1, 1, 1, 1])
        solid = bullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=list(half_extents)) if collides else -1
        self._bodies[name] = bullet.createMultiBody(0, solid, look)
        if collides:
            bullet.changeDynamics(self._bodies[name], -1, lateralFriction=friction)

    def add_round(self, name: str, radius: float, length: float) -> None:
        """A fixed visual cylinder, or a sphere when the length is 0."""
        kind = pybullet.GEOM_CYLINDER if length else pybullet.GEOM_SPHERE
        look = self._bullet.createVisualShape(kind, radius=radius, length=length, rgbaColor=[1, 1, 1, 1])
        self._bodies[name] = self._bullet.createMultiBody(0, -1, look)

    def add_robot(self, name: str, urdf: Path) -> None:
        """An articulated body with a fixed base from a URDF; joints are driven by ``drive``."""
        bullet = self._bullet
        body = bullet.loadURDF(str(urdf), useFixedBase=True, flags=pybullet.URDF_USE_INERTIA_FROM_FILE)
        self._bodies[name] = body
        joints, links = {}, {}
        for index in range(bullet.getNumJoints(body)):
            info = bullet.getJointInfo(body, index)
            bullet.changeDynamics(body, index, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0)
            if info[2] == pybullet.JOINT_REVOLUTE:
                joints[info[1].decode()] = index
            links[info[12].decode()] = index
        self._joints[name], self._links[name] = joints, links

    def remove(self, name: str) -> None:
        """Take a body without collision pieces out of the world, for good."""
        self._bullet.removeBody(self._bodies.pop(name))

    def put_away(self, name: str, key: str) -> None:
        """Let a free body sleep far below the table until it is wanted again by ``key``.

        Removing and loading one of 24 pieces takes ten times as long, and PyBullet loses 140 kB each time.
        """
        body = self._away[key] = self._bodies.pop(name)
        self._bullet.resetBasePositionAndOrientation(body, [0.0, 0.0, -10.0 - body], [0.0, 0.0, 0.0, 1.0])
        self._bullet.changeDynamics(
            body, -1, activationState=pybullet.ACTIVATION_STATE_ENABLE_SLEEPING | pybullet.ACTIVATION_STATE_SLEEP
        )

    def take_out(self, name: str, key: str) -> bool:
        """Wake a body that was put away and give it a name; is there one? Its pose must be set."""
        if key not in self._away:
            return False
        body = self._bodies[name] = self._away.pop(key)
        self._bullet.changeDynamics(
            body, -1, activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING | pybullet.ACTIVATION_STATE_WAKE_UP
        )
        return True

    def set_friction(self, name: str, friction: float) -> None:
        """Friction coefficient of every link of a body."""
        body = self._bodies[name]
        for link in range(-1, self._bullet.getNumJoints(body)):
            self._bullet.changeDynamics(body, link, lateralFriction=friction, spinningFriction=0.002)

    def number(self, name: str) -> int:
        """Number of a body in ``Picture.body``."""
        return self._bodies[name]

    def set_pose(self, name: str, world_T_body: ArrayLike) -> None:
        """Put a body somewhere, at rest."""
        t = np.asarray(world_T_body, float)
        orientation = geometry.quaternion(t[:3, :3])
        self._bullet.resetBasePositionAndOrientation(self._bodies[name], t[:3, 3].tolist(), orientation.tolist())

    def pose(self, name: str) -> Array:
        """``world_T_body`` (4, 4)."""
        position, orientation = self._bullet.getBasePositionAndOrientation(self._bodies[name])
        return geometry.pose(position, geometry.from_quaternion(orientation))

    def speed(self, name: str) -> float:
        """Linear speed of a body, m/s."""
        return float(np.linalg.norm(self._bullet.getBaseVelocity(self._bodies[name])[0]))

    # -- appearance ---------------------------------------------------------------------------------------------
    def load_texture(self, path: Path) -> int:
        """Texture number of an image file; textures stay in memory, so load each once."""
        return int(self._bullet.loadTexture(str(path)))

    def paint(self, name: str, grey: float, specular: float = 0.2, texture: int = -1) -> None:
        """Grey colour 0..1, specular share and texture of a body."""
        self._bullet.changeVisualShape(
            self._bodies[name],
            -1,
            rgbaColor=[grey, grey, grey, 1],
            specularColor=[specular] * 3,
            textureUniqueId=texture,
        )

    def render(self, world_T_camera: ArrayLike, K: ArrayLike, size: int, light: Light) -> Picture:
        """Square picture of a camera (optical frame, z forward, y down) with intrinsics K, principal point centred."""
        _, _, rgba, buffer, body = self._bullet.getCameraImage(
            size,
            size,
            opengl.view(world_T_camera),
            opengl.projection(K, size),
            lightDirection=[10.0 * v for v in light.direction],
            lightColor=[1, 1, 1],
            lightDistance=2.0,
            shadow=int(light.shadow),
            lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse,
            lightSpecularCoeff=light.specular,
            renderer=pybullet.ER_TINY_RENDERER,
        )
        grey = np.asarray(rgba, np.uint8).reshape(size, size, 4)[..., 0].copy()
        z = np.asarray(buffer, np.float32).reshape(size, size)
        return Picture(grey, opengl.metres(z), np.asarray(body, np.int32).reshape(size, size))

    # -- physics ------------------------------------------------------------------------------------------------
    def set_joints(self, name: str, positions: dict[str, float]) -> None:
        """Put joints at positions (rad), at rest."""
        for joint, value in positions.items():
            self._bullet.resetJointState(self._bodies[name], self._joints[name][joint], value, 0.0)

    def joints(self, name: str, joints: Sequence[str]) -> Array:
        """Positions (n,) of joints, rad."""
        numbers = [self._joints[name][joint] for joint in joints]
        return np.array([state[0] for state in self._bullet.getJointStates(self._bodies[name], numbers)])

    def drive(self, name: str, targets: dict[str, float], force: dict[str, float], gain: float = 0.4) -> None:
        """Motor targets (rad) with their greatest torques (N m)."""
        self._bullet.setJointMotorControlArray(
            self._bodies[name],
            [self._joints[name][joint] for joint in targets],
            pybullet.POSITION_CONTROL,
            targetPositions=list(targets.values()),
            forces=[force[joint] for joint in targets],
            positionGains=[gain] * len(targets),
            velocityGains=[1.0] * len(targets),
        )

    def link_pose(self, name: str, link: str) -> Array:
        """``world_T_link`` (4, 4) of a robot's link, in the frame that its URDF gives it."""
        state = self._bullet.getLinkState(self._bodies[name], self._links[name][link], computeForwardKinematics=True)
        return geometry.pose(state[4], geometry.from_quaternion(state[5]))

    def step(self, count: int = 1) -> None:
        """Advance by ``count`` steps of ``step_s``."""
        for _ in range(count):
            self._bullet.stepSimulation()

    def attach(self, name: str, holder: str, link: str, link_T_body: ArrayLike, force_n: float) -> None:
        """Hold a body at a pose of a link, with no more than a force; a new hold takes the place of an old one."""
        if name in self._grips:
            self._bullet.removeConstraint(self._grips[name])
        body_T_link = geometry.inverse(link_T_body)
        grip = self._bullet.createConstraint(
            self._bodies[holder], self._links[holder][link], self._bodies[name], -1, pybullet.JOINT_FIXED, [0, 0, 0],
            [0, 0, 0], body_T_link[:3, 3].tolist(), [0, 0, 0, 1], geometry.quaternion(body_T_link[:3, :3]).tolist(),
        )  # fmt: skip
        self._bullet.changeConstraint(grip, maxForce=force_n)
        self._grips[name] = grip

    def pass_through(self, a: str, b: str) -> None:
        """Let two bodies overlap without contact: what is held, and what holds it."""
        bullet, (i, j) = self._bullet, (self._bodies[a], self._bodies[b])
        for k in range(-1, bullet.getNumJoints(i)):
            for m in range(-1, bullet.getNumJoints(j)):
                bullet.setCollisionFilterPair(i, j, k, m, 0)

    def find_contacts(self) -> None:
        """Bring the contact list up to date after bodies were moved by hand."""
        self._bullet.performCollisionDetection()

    def contacts(self, a: str, b: str) -> list[Contact]:
        """Contacts between two bodies, penetrating or touching."""
        points = self._bullet.getContactPoints(self._bodies[a], self._bodies[b])
        return [Contact(a, b, point[9], point[8]) for point in points if point[8] <= 0.0]

    def first_hit(self, start: ArrayLike, end: ArrayLike) -> str | None:
        """Name of the body that a ray meets first between two points (3,), by its collision pieces."""
        (number, *_), *_ = self._bullet.rayTest(np.asarray(start).tolist(), np.asarray(end).tolist())
        return next((name for name, body in self._bodies.items() if body == number), None)

    def _load_pieces(self, visual: Path | None, files: list[str], mass_kg: float) -> int:
        """Body of many convex pieces: through a URDF, since createCollisionShapeArray drops all after the 16th."""
        mesh = '<geometry><mesh filename="{}"/></geometry>'
        look = f"<visual>{mesh.format(visual)}</visual>" if visual else ""
        solid = "".join(f"<collision>{mesh.format(file)}</collision>" for file in files)
        inertia = (
            f'<inertial><mass value="{mass_kg}"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>'
        )
        with tempfile.NamedTemporaryFile("w", suffix=".urdf") as urdf:
            urdf.write(f'<robot name="body"><link name="body">{inertia}{look}{solid}</link></robot>')
            urdf.flush()
            return int(self._bullet.loadURDF(urdf.name, useFixedBase=mass_kg == 0.0))
