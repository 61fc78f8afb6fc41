"""The scene of a task: robot, camera and target, what they look like, where the goal is, and whether it worked.

Convention: world = base of the arm; the table's top is z = 0. The tcp is tool0 moved along its z axis.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry, kinematics, motion
from kovis_ros.method.config import Task
from kovis_ros.method.sensor import InfraredSensor
from kovis_sim import appearance, camera, completion, goal_check, gripper, hand, mesh_check, robot, starts
from kovis_sim.appearance import Look, Split
from kovis_sim.cell import Cell
from kovis_sim.family import Family, Member
from kovis_sim.goal_view import GoalView
from kovis_sim.stage import Stage, Visual
from kovis_sim.world import Light, Picture

Array = NDArray[np.float64]
STRIDE_M = 0.001  # between the poses of a line that are looked at for contact


class SceneError(RuntimeError):
    """The scene cannot be set up as asked."""


class Truth(NamedTuple):
    """Ground truth of the newest stereo pair."""

    depth: NDArray[np.uint16]  # (2, H, W) 0.1 mm
    segmentation: NDArray[np.uint8]  # (2, H, W): 0 background, 1 target, 2 robot
    displacement: Array  # (d,) metres, rotation scaled
    keypoints: NDArray[np.float32]  # (2, L, 3) landmarks of target, then tool: x, y in pixels, 1 where in the image


class Renderer(Protocol):
    """Draws what ``Scene`` tells of its picture; ``PathTracer`` does."""

    def dress(self, rng: np.random.Generator) -> None: ...

    def stereo(
        self, visuals: list[Visual], cameras: dict[str, tuple[Array, Array, int]], lights: list[Light]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]: ...


class Scene:
    """One task in one simulated cell, without a window; randomness comes from ``seed`` alone."""

    def __init__(
        self,
        task: Task,
        seed: int = 0,
        split: Split = "train",
        sensor: bool = False,
        renderer: Renderer | None = None,
        shapes: Split | None = None,
    ) -> None:
        """ConfigError for meshes or a goal that cannot be.

        ``sensor``: images as an infrared camera delivers them; without it as rendered, for roll-outs.

        ``split``: of looks, and of the members of a family unless ``shapes`` says another one.
        ``renderer``: draws the images in place of the trained one; truth stays the latter's.
        """
        self.task, self.split, self._renderer = task, split, renderer
        self._sensor: InfraredSensor | None = None
        self._senses = sensor
        mesh_check.check(task)
        self.cell = Cell(task)
        goal_check.check(task, self.cell)  # before landmarks are chosen: a goal out of reach is out of sight, too
        self._stage = Stage(task, split)
        self._tcp = geometry.pose((0.0, 0.0, task.tcp_offset_m))
        self.target_T_goal = hand.target_T_goal(task)
        self.opening_m = task.held.grip_m
        target_T_tool0 = self.target_T_goal @ geometry.inverse(self._tcp @ hand.nominal(task.held))
        nominal = camera.nominal(task.camera)
        at_goal = GoalView(self._stage, nominal, self.opening_m, target_T_tool0, self.target_T_goal)
        self.landmarks = at_goal.landmarks()
        self._family = Family(task.target, shapes or split, self.landmarks.target)
        self.member = self._family.nominal
        self._pictures: tuple[Picture, Picture] | None = None
        self.seed(seed)

    def close(self) -> None:
        """Release both physics clients."""
        self.cell.world.close()
        self._stage.world.close()

    # -- random draws -------------------------------------------------------------------------------------------
    def seed(self, seed: int) -> None:
        """Start a new random sequence and a new trial."""
        self.rng = np.random.default_rng(seed)
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """A new trial: target, start pose, camera mount and look; ``seed`` makes it repeatable."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.place_target()
        self.new_camera()
        self.new_look()
        self.start()

    def place_target(self, tcp_T_held: Array | None = None) -> None:
        """Put a target somewhere on the table, and what is held somehow, or as given, into the hand."""
        member = self._family.draw(self.rng)
        (x0, x1), (y0, y1) = self.task.target.position_range_m
        yaw = np.radians(self.rng.uniform(*self.task.target.yaw_range_deg))
        x, y = self.rng.uniform(x0, x1), self.rng.uniform(y0, y1)
        self.place(x, y, yaw, hand.draw(self.task.held, self.rng) if tcp_T_held is None else tcp_T_held, member)

    def place(self, x: float, y: float, yaw: float, tcp_T_held: Array, member: Member | None = None) -> None:
        """Target, nominal without ``member``, at a place of the table (m, rad), object in the hand, arm at the goal."""
        self._take(member or self._family.nominal)
        self._put_at_goal(x, y, yaw, tcp_T_held)

    def _put_at_goal(self, x: float, y: float, yaw: float, tcp_T_held: Array) -> None:
        """Have the target as it is at a place of the table (m, rad), object in the hand, arm at the goal."""
        self.world_T_target = geometry.pose_rpy((x, y, 0.0), (0.0, 0.0, yaw))
        self.tcp_T_held = tcp_T_held
        self._world_T_held_goal = self.world_T_target @ self.target_T_goal
        self.world_T_goal = hand.tcp_goal(self.task, self._world_T_held_goal, tcp_T_held)
        self.goal_q = self.solve(self.world_T_goal, np.asarray(robot.READY_Q))
        self.q, self.touched, self.opening_m = self.goal_q, False, self.task.held.grip_m

    def _take(self, member: Member) -> None:
        """Have a member of the family as the target; it must be painted and placed."""
        if member is self.member:
            return
        self.cell.take(member.pieces)
        self._stage.take(member.mesh, member.pieces)
        self.member = member
        self.target_T_goal = geometry.pose(member.goal_shift_m) @ hand.target_T_goal(self.task)
        self.landmarks = self.landmarks._replace(target=self._family.landmarks(member))

    def new_camera(self, scale: float = 1.0) -> None:
        """Another camera, its mount wrong by up to ``scale`` times the task's range."""
        self.camera = camera.draw(self.task.camera, self.rng, scale)

    def new_look(self) -> None:
        """Another light, other paint, another background."""
        self.dress(appearance.draw(self.task.appearance, self.rng, self.split, bool(self.task.held.mesh)), self.rng)
        if self._renderer:
            self._renderer.dress(self.rng.spawn(1)[0])  # the trial is the same as without it
        if self._senses:
            size, seed = self.task.camera.size_px, int(self.rng.integers(2**31))
            self._sensor = InfraredSensor(self.task.sensor, size, seed)

    def dress(self, look: Look, rng: np.random.Generator) -> None:
        """Look as given; ``rng`` strews the distractors: the same one leaves them where they are."""
        self.look = look
        self._stage.dress(look, rng, self.world_T_target)

    def start(self, distance_m: float | None = None) -> None:
        """Put the arm at a start pose from which a straight line to the goal touches nothing.

        distance_m: of the tcp from the goal; without it one of the task's range.
        """
        for _ in range(200):
            world_T_tcp = self.world_T_goal @ geometry.exp(starts.displacement(self.task, self.rng, distance_m))
            if self._clear(world_T_tcp):
                self.q = self.solve(world_T_tcp, self.goal_q)
                return
        wanted = f"rollout.start_distance_m {list(self.task.rollout.start_distance_m)}"
        if distance_m is not None:
            wanted = f"a distance of {distance_m:.3f} m"
        raise SceneError(
            f"task {self.task.name}: no start pose with {wanted} reaches the goal freely: give less, "
            "or check the goal and rollout.start_rotation_deg"
        )

    def _clear(self, world_T_tcp: Array) -> bool:
        """Is the straight line from a tcp pose to the goal free, looked at every millimetre, and within reach?"""
        way = geometry.log(geometry.inverse(self.world_T_goal) @ world_T_tcp)
        length = geometry.norm(way[:3]) + motion.ROTATION_SCALE * geometry.norm(way[3:])
        fractions = np.linspace(0.0, 1.0, 2 + int(length / STRIDE_M))
        return all(
            self.free(geometry.interpolate(world_T_tcp, self.world_T_goal, float(fraction))) for fraction in fractions
        )

    def free(self, world_T_tcp: Array) -> bool:
        """Does the arm reach a pose of the tcp, and touch nothing there?"""
        try:
            return not self.touching(self.solve(world_T_tcp, self.goal_q))
        except kinematics.Unreachable:
            return False

    def touching(self, q: ArrayLike) -> bool:
        """Would the robot touch anything with these joint positions?"""
        return self.cell.touching(q, self.opening_m, self.world_T_target, self._tcp @ self.tcp_T_held)

    def solve(self, world_T_tcp: Array, near: Array) -> Array:
        """Joint positions (6,) nearest to ``near`` that bring the tcp to a pose; ``kinematics.Unreachable``."""
        return kinematics.nearest(world_T_tcp @ geometry.inverse(self._tcp), near)

    # -- poses --------------------------------------------------------------------------------------------------
    @property
    def world_T_tool0(self) -> Array:
        """Pose of the flange."""
        return kinematics.forward(self.q)

    @property
    def world_T_tcp(self) -> Array:
        """Pose of the tool centre point."""
        return self.world_T_tool0 @ self._tcp

    @property
    def world_T_held(self) -> Array:
        """Pose of the held object; of the tcp where nothing is held."""
        return self.world_T_tcp @ self.tcp_T_held

    def put(self, world_T_tcp: ArrayLike) -> None:
        """Put the tcp somewhere; ``kinematics.Unreachable`` when the arm cannot."""
        self.q = self.solve(np.asarray(world_T_tcp, float), self.q)

    def move(self, twist: ArrayLike, dt: float) -> None:
        """Move the tcp with a twist (6,) in tool0 axes for ``dt`` seconds; contact is noted in ``touched``."""
        self.put(self.world_T_tcp @ geometry.exp(np.asarray(twist, float) * dt))
        self.touched = self.touched or self.touching(self.q)

    def displacement(self) -> Array:
        """Label (d,): what leads to the goal on the commanded axes, metres."""
        return motion.displacement(self._held_T_goal(), self.task.axes, self.task.symmetry, self.tcp_T_held)

    def error(self) -> tuple[float, float]:
        """(m, rad) over the commanded axes modulo the task's symmetry."""
        return motion.error(self.displacement(), self.task.axes)

    def tilt(self) -> float:
        """Rotation error, rad, that the commanded axes cannot remove."""
        return motion.tilt(self._held_T_goal(), self.task.axes, self.task.symmetry, self.tcp_T_held)

    def _held_T_goal(self) -> Array:
        return geometry.inverse(self.world_T_held) @ self._world_T_held_goal

    # -- images -------------------------------------------------------------------------------------------------
    @property
    def K(self) -> Array:
        """Intrinsics (3, 3) of both imagers."""
        return self.camera.K

    @property
    def baseline_m(self) -> float:
        """Distance between the imagers, metres."""
        return self.camera.baseline_m

    def stereo(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Left and right image (H, W) uint8 of the scene as it is now."""
        self._stage.pose(self.world_T_tool0, self.opening_m, self.world_T_target, self.world_T_held)
        left, right = self._stage.shoot(self.camera.eyes(self.world_T_tool0), self.camera, self.look)
        self._pictures = (left.picture, right.picture)
        pair = left.image, right.image
        if self._renderer:
            pair = self._renderer.stereo(self.visuals(), self.cameras(), self.lights())
        return self._sensor(*pair) if self._sensor else pair

    def truth(self) -> Truth:
        """Depth, segmentation and label of the newest stereo pair; SceneError before the first one."""
        if self._pictures is None:
            raise SceneError("no stereo pair yet: call stereo() before truth()")
        depth = np.stack([np.clip(p.depth * 1e4, 0, 65535).astype(np.uint16) for p in self._pictures])
        classes = np.stack([self._stage.classes(p) for p in self._pictures])
        poses = self.world_T_target, self.world_T_tool0, self.world_T_held
        points = self.landmarks.project(poses, self.camera.eyes(self.world_T_tool0), self.K, self.camera.size)
        return Truth(depth, classes, self.displacement(), points)

    # -- physics ------------------------------------------------------------------------------------------------
    def follow(self, q: ArrayLike, opening_m: float, dt: float, grip_n: float = gripper.GRIP_N) -> float:
        """Step the cell with arm and gripper driven to a state, gripping so hard; the contact force on the robot, N."""
        self.cell.follow(q, opening_m, dt, grip_n)
        self.q, self.world_T_target = self.cell.q(), self.cell.world.pose("target")
        self.opening_m = self.cell.opening_m()
        if self.task.held.mesh:
            self.tcp_T_held = geometry.inverse(self.world_T_tcp) @ self.cell.world.pose("held")
        return self.cell.contact_force()

    def settle(self) -> None:
        """Put the cell where the scene is, before ``follow``."""
        tool0_T_held = self._tcp @ self.tcp_T_held
        self.cell.place(self.q, self.opening_m, self.world_T_target, tool0_T_held)
        self.cell.grip(tool0_T_held)

    def complete(self) -> bool:
        """Run the completion motion with contacts; did the task succeed? Nothing may have been touched before."""
        return not self.touched and completion.run(self).success

    # -- for another renderer -----------------------------------------------------------------------------------
    def visuals(self) -> list[Visual]:
        """Every shape of the picture, the table first, with its paint and pose.

        Beyond the table its pattern goes on, mirrored, without a light of its own (``stage.SKY_GREY``).
        ``test/test_redraw.py`` draws the very same picture from these, ``cameras`` and ``lights``.
        """
        poses = self.world_T_tool0, self.opening_m, self.world_T_target, self.world_T_held
        return self._stage.visuals(self.look, *poses)

    def cameras(self) -> dict[str, tuple[Array, Array, int]]:
        """Of the left and right imager: ``world_T_camera`` (optical), K and size in pixels."""
        left, right = self.camera.eyes(self.world_T_tool0)
        K, size = self.camera.K, self.camera.size
        return {"left": (left, K, size), "right": (right, K, size)}

    def lights(self) -> list[Light]:
        """The lights of the picture."""
        return [self.look.light]
