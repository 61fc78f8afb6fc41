"""Values of the RTDE output fields, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.pose_vector import vector_of
from kovis_sim.ur_controller.rtde import OUTPUT_TYPES, Recipe, exists
from kovis_sim.ur_controller.safety import POWER_ON_BIT, PROGRAM_BIT, SAFETY_BITS, RobotMode, Runtime

ZEROS = (0.0,) * 6
RUNNING_JOINT = 253
_CONSTANT: dict[str, tuple[float, ...]] = {
    "joint_temperatures": (30.0,) * 6,
    "actual_joint_voltage": (48.0,) * 6,
    "actual_main_voltage": (48.0,),
    "actual_robot_voltage": (48.0,),
    "joint_mode": (RUNNING_JOINT,) * 6,
    "actual_tool_accelerometer": (0.0, 0.0, 9.81),
    "payload_cog": (0.0, 0.0, 0.0),
}
_POSES = ("actual_TCP_pose", "target_TCP_pose")
_TWISTS = ("actual_TCP_speed", "target_TCP_speed")


class Outputs:
    """Reads one controller; poses and twists are computed at most once a cycle."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._cycle = -1
        self._cache: dict[str, tuple[float, ...]] = {}
        self._slow: dict[str, Callable[[], Sequence[float]]] = {
            "pose": self._pose,
            "twist": lambda: tuple(controller.arm.twist().tolist()),
            "force": lambda: tuple(controller.force().tolist()),
        }

    def recipe(self, names: tuple[str, ...]) -> Recipe:
        """Types of the named fields; NOT_FOUND for one this controller does not have."""
        version = self._controller.settings.version
        types = (OUTPUT_TYPES[name] if exists(name, version) else "NOT_FOUND" for name in names)
        return Recipe(names, tuple(types))

    def payload(self, recipe: Recipe) -> list[float]:
        """Flat values of a recipe in order, ready to be packed."""
        values: list[float] = []
        for name in recipe.names:
            values.extend(self._value(name))
        return values

    def _value(self, name: str) -> Sequence[float]:
        controller = self._controller
        if name in _POSES:
            return self._once("pose")
        if name in _TWISTS:
            return self._once("twist")
        if name == "actual_TCP_force":
            return self._once("force")
        if name in ("actual_q", "target_q"):
            return tuple(controller.arm.q.tolist())
        if name in ("actual_qd", "target_qd"):
            return tuple(controller.arm.qd.tolist())
        if name == "payload_cog":
            return controller.payload_centre_m
        if name in _CONSTANT:
            return _CONSTANT[name]
        if name.startswith("output_int_register_"):
            return (controller.registers.output_int[int(name[20:])],)
        if name.startswith("output_double_register_"):
            return (controller.registers.output_double[int(name[23:])],)
        if OUTPUT_TYPES[name] in ("DOUBLE", "UINT32", "UINT64", "INT32"):
            return (self._scalar(name),)
        return ZEROS

    def _scalar(self, name: str) -> float:
        controller = self._controller
        if name == "timestamp":
            return controller.cycle_count * controller.dt
        if name == "robot_mode":
            return int(controller.robot_mode)
        if name == "safety_mode":
            return int(controller.safety_mode)
        if name == "runtime_state":
            return int(controller.runtime)
        if name == "safety_status_bits":
            return SAFETY_BITS[controller.safety_mode]
        if name == "robot_status_bits":
            power = POWER_ON_BIT * (controller.robot_mode != RobotMode.POWER_OFF)
            return power | PROGRAM_BIT * (controller.runtime == Runtime.PLAYING)
        if name == "speed_scaling":  # of the trajectory limiter, which is never at work here
            return 1.0
        if name == "target_speed_fraction":
            return controller.arm.slider
        if name == "payload":
            return controller.payload_kg
        return 0

    def _once(self, key: str) -> Sequence[float]:
        if self._cycle != self._controller.cycle_count:
            self._cycle = self._controller.cycle_count
            self._cache.clear()
        if key not in self._cache:
            self._cache[key] = tuple(self._slow[key]())
        return self._cache[key]

    def _pose(self) -> Sequence[float]:
        return tuple(vector_of(self._controller.arm.pose()).tolist())
