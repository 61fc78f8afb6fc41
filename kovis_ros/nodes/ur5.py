"""The arm node: twists of tool0 and relative moves to a UR arm over RTDE, fingers of a Robotiq gripper."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, NoReturn

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.node import Node
from std_srvs.srv import Trigger

from kovis_ros import conversions
from kovis_ros.drivers.arm_limits import Limits, speeds
from kovis_ros.drivers.arm_loop import ArmLoop, Mode
from kovis_ros.drivers.robotiq import Robotiq
from kovis_ros.drivers.ur5 import Ur5
from kovis_ros.drivers.ur_link import ArmError, end_process
from kovis_ros.drivers.ur_setup import Ur5Settings
from kovis_ros.method.kinematics import ARMS
from kovis_ros.nodes import scheduling, spin
from kovis_ros.nodes.arm_actions import GripperAction, MoveRelativeAction
from kovis_ros.nodes.arm_output import ArmOutput, Seen
from kovis_ros.nodes.arm_owner import ArmOwner
from kovis_ros.nodes.diagnostics import ERROR, OK, WARN, Diagnostics, Report, Window
from kovis_ros.nodes.parameters import declare
from kovis_ros.nodes.ur5_parameters import PARAMETERS

LINK_LOST = 4  # exit code
STUCK_S, STUCK_RECOVERING_S = 1.0, 10.0
WATCH_PERIOD_S = 0.02
COUNTED = ("ignored", "clamped", "timeouts", "faults", "recoveries", "programs ended", "programs not ended")
DISCOVERY_S = 10.0  # senders of twists found in this time after the start may have been sending before it


class Ur5Node(Node):  # type: ignore[misc]
    """Topics and actions on one side, the arm's thread on the other; see ``ur5_parameters`` and the interface table."""

    def __init__(self, **options: Any) -> None:
        super().__init__("ur5", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = settings = declare(self, PARAMETERS)
        self.arm = Ur5(
            Ur5Settings(
                settings.robot_ip,
                settings.tcp_offset_m,
                settings.payload_kg,
                settings.watchdog_hz,
                settings.link_timeout_s,
                settings.arm,
            )
        )
        self.loop = ArmLoop(
            self.arm,
            Limits(
                settings.max_linear_mps,
                settings.max_angular_radps,
                settings.acceleration_mps2,
                settings.deceleration_mps2,
                settings.setpoint_timeout_s,
                recovery_s=settings.recovery_s,
            ),
        )
        self.rejected = {"frame or value": 0, "stale": 0, "future": 0}
        self.senders, self.started_s, self.stops = 0, 0.0, 0
        self.lateness_ms = Window(1250)
        self._beat_s = time.monotonic()
        self._stopping, self._dying = threading.Event(), threading.Lock()
        self.gripper = Robotiq(settings.robot_ip) if settings.gripper == "robotiq" else None
        self._thread = threading.Thread(target=self._run, name="arm", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.arm.probe()
        if self.gripper is not None:
            self.gripper.connect()
        self._wire()
        self.arm.connect()  # arms the watchdog: the thread must feed it from now on
        self._beat_s = self.started_s = time.monotonic()
        self._thread.start()
        self._watcher.start()
        self.output.start()
        self.get_logger().info(f"ready: {settings.arm} {self.arm.version} at {settings.robot_ip}")

    def _wire(self) -> None:
        """Publishers, subscriptions, services, actions and timers, as in the interface table."""
        self.output = ArmOutput(self, self.meet_senders, self._die)
        self.twists = self.create_subscription(TwistStamped, "twist", self.on_twist, 1)
        self.owner = ArmOwner(self, self.settings.owner_timeout_s)
        self.create_service(Trigger, "arm/stop", self.on_stop)
        self.gripper_action = GripperAction(self, self.gripper, self.settings.gripper_force)
        self.move_action = MoveRelativeAction(self, self.loop, ARMS[self.settings.arm], self.settings.tcp_offset_m)
        self.diagnostics = Diagnostics(self, self.settings.robot_ip)
        self.diagnostics.add("arm", self.report)

    # what comes in

    def on_twist(self, message: TwistStamped) -> None:
        """Hand a valid twist to the loop; count what is not."""
        self.meet_senders()
        age_s = self.get_clock().now().nanoseconds * 1e-9 - conversions.stamp_from_msg(message.header.stamp) * 1e-9
        if age_s > self.settings.setpoint_timeout_s:
            self._reject("stale", f"twist is {1e3 * age_s:.0f} ms old")
        elif age_s < -self.settings.future_tolerance_s:
            self._reject("future", f"twist is stamped {-1e3 * age_s:.0f} ms in the future")
        else:
            try:
                self._follow(conversions.twist_from_msg(message, "tool0"))
            except ValueError as error:
                self._reject("frame or value", str(error))

    def _follow(self, twist: NDArray[np.float64]) -> None:
        self.loop.follow(twist, time.monotonic())
        shrunk = self.loop.limits.clamp(twist)
        if shrunk is not twist:
            self.get_logger().warning(
                f"twist of {speeds(twist)} shrunk to {speeds(shrunk)}: slow its sender down, "
                "or raise max_linear_mps or max_angular_radps",
                throttle_duration_sec=1.0,
            )

    def meet_senders(self) -> None:
        """While nodes find each other after the start, hold when a sender of twists joins."""
        if time.monotonic() - self.started_s > DISCOVERY_S:
            return
        senders = self.count_publishers(self.twists.topic_name)
        if senders > self.senders:
            self.loop.meet()
        self.senders = senders

    def on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Stop whatever moves; twists are taken again once they paused."""
        self.stops += 1  # each call is told from the one before: a new one ends a new goal, too
        self.loop.halt(f"stopped by the service arm/stop, call {self.stops}: pause the twists to go on")
        self.gripper_action.hold()
        response.success, response.message = True, "stopping"
        return response

    def _reject(self, kind: str, reason: str) -> None:
        self.rejected[kind] += 1
        self.loop.disturb(time.monotonic())
        self.get_logger().warning(f"twist rejected: {reason}", throttle_duration_sec=1.0)

    # the arm's thread

    def _run(self) -> None:
        try:
            self._control()
            self._rest()
        except ArmError as error:
            self._die(str(error))
        except Exception as error:
            self._die(f"{type(error).__name__}: {error}")

    def _control(self) -> None:
        period = 1.0 / self.settings.rate_hz
        due = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            self.lateness_ms.add(1e3 * (now - due), now)
            reading = self.loop.tick(now)
            self.output.show(Seen(reading, self.loop.trouble, now))
            self._beat_s = now
            due = max(due + period, time.monotonic() - period)
            time.sleep(max(0.0, due - time.monotonic()))

    def _rest(self) -> None:
        """The last act: zeros, brake, end the program, disconnect."""
        if self.arm.read().program_running:
            for _ in range(self.settings.halt_commands):
                self.arm.speed(np.zeros(6), self.settings.deceleration_mps2)
                time.sleep(1.0 / self.settings.rate_hz)
        self.arm.close()

    # the end

    def stop(self) -> None:
        """Zeros, brake, end the control program; the process is ended the hard way if that hangs."""
        self._stopping.set()
        self.output.stop()
        self._thread.join(timeout=3.0)
        if self._thread.is_alive():
            self._die("the controller did not answer while stopping; its watchdog stops the arm")

    def _watch(self) -> None:
        """Notice a closed link, or a call into the library that never returns, while the arm's thread is inside it."""
        seen, stuck_s = self._beat_s, 0.0  # counted by periods: a stall of the whole process is no fault of the link
        while not self._stopping.wait(WATCH_PERIOD_S):
            allowed = STUCK_RECOVERING_S if self.loop.mode == Mode.FAULT else STUCK_S
            stuck_s = stuck_s + WATCH_PERIOD_S if self._beat_s == seen else 0.0
            seen = self._beat_s
            if stuck_s > allowed:
                self._die(f"no answer from the controller for {stuck_s:.1f} s; its watchdog stops the arm")
            try:
                self.arm.check_link()
            except ArmError as error:
                self._die(str(error))

    def _die(self, reason: str) -> None:
        """End the process without touching the vendor library again."""
        with self._dying:
            print(f"error: {' '.join(reason.split())}", file=sys.stderr, flush=True)
            end_process(self.settings.robot_ip, LINK_LOST)

    def report(self) -> Report:
        """For /diagnostics."""
        reading, counts = self.loop.reading, self.loop.counts
        trouble = self.loop.trouble
        level = OK if not trouble else ERROR if self.loop.mode == Mode.FAULT else WARN
        values: dict[str, object] = {"mode": self.loop.mode.value, **self.arm.found}
        if reading is not None:
            values |= {"robot_mode": reading.robot_mode, "safety_mode": reading.safety_mode}
            values |= {"speed_scaling": reading.speed_scaling}
        values |= {f"twists rejected, {kind}": count for kind, count in self.rejected.items()}
        values |= {name: counts[name] for name in COUNTED}
        values |= {f"lateness p{p} [ms]": round(self.lateness_ms.percentile(p), 2) for p in (50, 99)}
        values["senders of twists at the start"] = self.senders
        values["rate [Hz]"] = round(self.lateness_ms.rate(time.monotonic()), 1)
        return Report(level, trouble or "ready", values)


def main() -> NoReturn:
    """Entry point of the executable ``ur5``."""
    scheduling.run_soon()
    code = spin.main(Ur5Node)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the vendor library's destructors wait for seconds, and there is nothing left to do


if __name__ == "__main__":
    main()
