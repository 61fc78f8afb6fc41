"""The servo node: keypoints in, twists of tool0 out, while a goal of the action ``servo`` is active."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from kovis_msgs.action import Servo
from kovis_msgs.msg import Keypoints
from kovis_ros import conversions
from kovis_ros.method.config import ConfigError, load_task
from kovis_ros.method.loop import State, check_gain
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.nodes.alignment import Alignment, Ending, loop_for
from kovis_ros.nodes.arm_watch import ArmWatch
from kovis_ros.nodes.completion import ArmClients, Completion
from kovis_ros.nodes.diagnostics import ERROR, OK, WARN, Diagnostics, Report, Window
from kovis_ros.nodes.goals import TimedActionServer
from kovis_ros.nodes.parameters import Parameter, declare
from kovis_ros.nodes.servo_output import ServoOutput

PARAMETERS = (
    Parameter("task", "pick_mug", "name of a shipped task or path of a .yaml"),
    Parameter("checkpoint", "", "path of a checkpoint; empty: the task's shipped weights"),
    Parameter("device", "cpu", "where the network runs: cpu, cuda, cuda:1 ..."),
    Parameter("threads", 1, "of the network on the processor; other nodes need their share", 1, 64),
    Parameter("control_frequency", 50.0, "rate of the control timer [Hz]", 10.0, 200.0),
    Parameter("delay", 0.1, "whole delay from exposure to motion, for the check of the gain [s]", 0.0, 1.0),
    Parameter("servo_timeout", 0.0, "limit of the alignment [s]; 0: the task's", 0.0, 600.0),
    Parameter("initial_perception_timeout", 5.0, "wait for the first keypoints [s]", 0.1, 600.0),
    Parameter("halt_timeout", 2.0, "a goal that cannot go on for this long is aborted [s]", 0.1, 60.0),
    Parameter("pose_timeout", 0.2, "older poses of the arm are stale [s]", 0.02, 5.0),
    Parameter("require_arm", True, "halt without a fresh pose and status of the arm; false only for dry runs"),
    Parameter("halt_messages", 5, "zero twists sent at every ending", 1, 100),
    Parameter("command_frame", "tool0", "axes of the twist that is sent", choices=("tool0", "base")),
)


class ServoNode(Node):
    """Subscribes, converts, asks the policy, and lets ``Alignment`` and ``Completion`` decide."""

    def __init__(self, load: Callable[..., ServoPolicy] = ServoPolicy.load, **options: Any) -> None:
        super().__init__("servo", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = declare(self, PARAMETERS)
        self.task = load_task(self.settings.task)
        settings, task = self.settings, self.task
        self.policy = load(settings.checkpoint or task.name, settings.device, settings.threads)
        self.policy.expect(task)
        check_gain(self.task.servo, self.settings.delay)
        self.alignment: Alignment | None = None
        self.completion: Completion | None = None
        self.goal: ServerGoalHandle | None = None
        self.state, self.reason, self.paused = State.IDLE, "", False
        self.zeros = self.rejected = 0
        self.ages, self.periods = Window(), Window()
        self._last_tick: float | None = None
        self.begun = 0.0
        self._wire()

    def _wire(self) -> None:
        self.output = ServoOutput(self, self.task, self.settings.command_frame)
        self.create_subscription(Keypoints, "keypoints", self.on_keypoints, 1)
        self.arm = ArmWatch(self, self.now, self.settings.pose_timeout, self.settings.require_arm)
        self.create_service(SetBool, "servo/pause", self.on_pause)
        self.create_service(Trigger, "servo/stop", self.on_stop)
        self.arm_clients = ArmClients(self)
        self.server = TimedActionServer(self, Servo, "servo", self.begin)
        self.diagnostics = Diagnostics(self, self.task.name)
        self.diagnostics.add("control", self.report)
        self.create_timer(1.0 / self.settings.control_frequency, self.tick)
        self.get_logger().info(f"ready: task {self.task.name}, axes {' '.join(self.task.axes)}")

    def now(self) -> float:
        """Seconds of the node's clock."""
        return float(self.get_clock().now().nanoseconds) * 1e-9

    # what comes in

    def on_keypoints(self, message: Keypoints) -> None:
        """Predict the motion, publish it, and give it to the active goal."""
        now, stamp_ns = self.now(), conversions.stamp_from_msg(message.header.stamp)
        try:
            if message.task != self.task.name:
                raise ValueError(f"keypoints are for task {message.task!r}")
            motion = self.policy.motion(conversions.keypoints_from_msg(message))
        except ValueError as error:
            self.rejected += 1
            self.get_logger().warning(f"keypoints rejected: {error}", throttle_duration_sec=5.0)
            return
        self.ages.add(now - stamp_ns * 1e-9, now)
        if self.alignment is not None:
            self.alignment.loop.observe(motion, stamp_ns * 1e-9, now)
        self.output.motion(motion, stamp_ns)

    def on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Hold still until told to go on, whatever goal is active; the goal stays."""
        response.success = self.completion is None
        if response.success:
            self.paused = bool(request.data)
        paused = "paused" if self.paused else "running"
        response.message = paused if response.success else "the completion motion runs: call servo/stop instead"
        return response

    def on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """End the goal, zero now; succeeds when idle, too."""
        self.halt()
        self.end(Ending(Servo.Result.CANCELLED, "stopped by the stop service"))
        response.success, response.message = True, "stopped"
        return response

    # a goal, from acceptance to result

    def begin(self, handle: ServerGoalHandle) -> None:
        """Set up the loop of an accepted goal, or abort it with the reason."""
        now, request = self.now(), handle.request
        self.goal, self.begun = handle, now
        self.arm.begin()
        self.completion, self.zeros = None, 0
        try:
            loop = loop_for(request, self.task, self.settings.delay, self.settings.servo_timeout)
        except ConfigError as error:
            self.end(Ending(Servo.Result.MODEL_ERROR, str(error)))
            return
        self.alignment = Alignment(loop, now, self.settings.initial_perception_timeout, self.settings.halt_timeout)
        self.get_logger().info(f"goal accepted: {self.task.name}, complete {bool(request.complete)}")

    def tick(self) -> None:
        """One period of the control timer; a fault of our own ends in zero, too."""
        now = self.now()
        if self._last_tick is not None:
            self.periods.add(now - self._last_tick, now)
        self._last_tick = now
        try:
            self._advance(now)
        except Exception as error:
            self.get_logger().error(f"control failed: {type(error).__name__}: {error}")
            self.halt()
            self.end(Ending(Servo.Result.UNKNOWN, f"internal error: {error}"), State.INVALID)
        loop = self.alignment.loop if self.alignment else None
        self.output.status(now, self.state, self.reason, loop, self.goal, self.begun)

    def _advance(self, now: float) -> None:
        if self.alignment is None or self.goal is None:
            if self.zeros:
                self.zeros -= 1
                self.output.twist()
        elif self.goal.is_cancel_requested:
            self.halt()
            self.end(Ending(Servo.Result.CANCELLED, "cancelled by the client"))
        elif self.completion is not None:
            self._complete(now)
        else:
            self._align(self.alignment, now)

    def _align(self, alignment: Alignment, now: float) -> None:
        arm = self.arm.view()
        twist, ending = alignment.step(now, arm, self.paused)
        self.output.twist(twist, arm.pose)
        self.state, self.reason = alignment.loop.state, alignment.reason
        if ending is None:
            return
        self.halt()
        if ending.code == Servo.Result.NONE and self.goal.request.complete and self.task.completion:
            self.state = State.COMPLETING
            rest = self.settings.halt_messages / self.settings.control_frequency
            self.completion = Completion(self.arm_clients, self.task.completion, self.goal.goal_id.uuid, now + rest)
        else:
            self.end(ending)

    def _complete(self, now: float) -> None:
        if self.zeros:
            self.zeros -= 1
            self.output.twist()
        view = self.arm.view()
        if view.stopped:
            self.completion.fault, self.completion.done = view.fault, True
        self.completion.poll(now)
        if self.completion.done:
            fault = self.completion.fault
            code = Servo.Result.COMPLETION_FAILED if fault else Servo.Result.NONE
            self.halt()
            self.end(Ending(code, f"aligned, but the completion motion failed: {fault}" if fault else ""))

    # endings

    def halt(self) -> None:
        """Zero now and for the next periods; the arm's actions are cancelled."""
        if self.completion is not None:
            self.completion.cancel()
        self.output.twist()
        self.zeros = self.settings.halt_messages - 1

    def end(self, ending: Ending, state: State | None = None) -> None:
        """Give the active goal its result; without a goal nothing happens."""
        if self.goal is None:
            return
        good, loop = ending.code == Servo.Result.NONE, self.alignment.loop if self.alignment else None
        result = Servo.Result(success=good, error_code=ending.code, error_msg=ending.message)
        result.elapsed = conversions.duration_to_msg(self.now() - self.begun)
        result.final_speed, result.images = (float(loop.speed), loop.images) if loop else (0.0, 0)
        cancelled = self.goal.is_cancel_requested
        self.server.finish("succeed" if good else "canceled" if cancelled else "abort", result)
        if good:
            self.get_logger().info("goal reached")
        else:
            self.get_logger().warning(f"goal ended with code {ending.code}: {ending.message}")
        self.state = state or (State.CONVERGED if good else State.IDLE)
        self.reason = ending.message
        self.alignment = self.completion = self.goal = None

    def stop(self) -> None:
        """Zeros on the way out, whatever was under way."""
        for _ in range(self.settings.halt_messages):
            self.halt()
        self.end(Ending(Servo.Result.CANCELLED, "the servo node is shutting down"))
        self.output.flush()

    def report(self) -> Report:
        """Diagnostics: rates, ages and what was left out."""
        now, age = self.now(), self.ages.percentile(95)
        halted = self.state >= State.HALT_STALE_IMAGE and self.state != State.COMPLETING
        slow = np.isfinite(age) and age > self.settings.delay
        level = ERROR if halted else WARN if slow else OK
        message = self.reason if halted else f"images are {age * 1e3:.0f} ms old, above delay" if slow else "ok"
        loop = self.alignment.loop if self.alignment else None
        return Report(level, message, {
            "state": self.state.name, "keypoints_hz": f"{self.ages.rate(now):.1f}",
            "image_age_p50_ms": f"{self.ages.percentile(50) * 1e3:.1f}", "image_age_p95_ms": f"{age * 1e3:.1f}",
            "period_p99_ms": f"{self.periods.percentile(99) * 1e3:.1f}", "keypoints_rejected": self.rejected,
            **({f"rejected {cause}": count for cause, count in loop.rejected.items()} if loop else {}),
        })  # fmt: skip
