"""The simulated cell as a node: camera topics as realsense-ros gives them, truth for scoring, and new trials.

Joints and gripper belong to ``kovis_sim.ur_controller``, another process; they are read from shared memory each tick,
and the contact force is written back. Nothing here listens to the servo.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from kovis_msgs.msg import Motion as MotionMessage
from kovis_msgs.msg import SimTrial
from kovis_msgs.srv import SimReset
from kovis_ros import conversions
from kovis_ros.method.config import ConfigError, load_task
from kovis_ros.method.kinematics import Unreachable
from kovis_ros.method.motion import Motion, label
from kovis_ros.nodes import scheduling, spin
from kovis_ros.nodes.diagnostics import OK, WARN, Diagnostics, Report, Window
from kovis_ros.nodes.parameters import Parameter, declare
from kovis_sim.camera_faults import CameraFaults, Pair
from kovis_sim.scene import Scene, SceneError
from kovis_sim.shared_state import SharedState, StateError
from kovis_sim.trial import Trial

PARAMETERS = (
    Parameter("task", "pick_mug", "name of a shipped task or path of a .yaml"),
    Parameter("seed", 0, "seed of the first trial", 0, 2**31 - 1),
    Parameter("split", "test", "of backgrounds, textures, lights and members of a family", choices=("train", "test")),
    Parameter("state", "arm", "name of the shared state of the arm's controller"),
    Parameter("camera", "/camera/camera", "namespace of the camera topics infra1 and infra2"),
    Parameter("frame", "camera_infra1_optical_frame", "frame of both images"),
    Parameter("image_rate", 30.0, "stereo pairs a second, if the processor can [Hz]", 1.0, 90.0),
    Parameter("physics_rate", 60.0, "ticks of the cell a second; physics itself steps at 1 ms [Hz]", 10.0, 250.0),
    Parameter("record.rollouts", 0, "above 0: record so many training roll-outs into record.out and end", 0, 10**7),
    Parameter("record.out", "", "folder of the bag to record"),
)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # what a camera offers
REST = 2.0  # times the rendering time from one image to the next: on a slow machine the network needs the other half
LONGEST_TICK_S = 0.1  # after a stall the cell goes on from here: it does not try to catch up


class SimNode(Node):
    """Owns the scene; serves ``sim/reset``, publishes images and ``sim/trial``."""

    def __init__(self, **options: Any) -> None:
        super().__init__("sim", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = declare(self, PARAMETERS)
        self.task = load_task(self.settings.task)
        self.exit_code: int | None = None
        if self.settings.record_rollouts:
            if not self.settings.record_out:
                raise ConfigError("record.out is empty: give the folder of the bag")
            self.exit_code = 0  # main records after the node has ended
            return
        self.scene = Scene(self.task, self.settings.seed, self.settings.split, sensor=True)
        self.state = SharedState.attach(self.settings.state, timeout_s=10.0)
        self.faults = CameraFaults(np.random.default_rng(self.settings.seed))
        self.rendering, self.ticking = Window(), Window()
        self._last_tick: float | None = None
        self._rest_until = 0.0
        self._wire()
        self._new_trial(self.settings.seed)
        self.get_logger().info(f"ready: task {self.task.name}, {self.scene.camera.size} px stereo")

    def _wire(self) -> None:
        camera = self.settings.camera
        self.images = [self.create_publisher(Image, f"{camera}/infra{i}/image_rect_raw", NEWEST) for i in (1, 2)]
        self.infos = [self.create_publisher(CameraInfo, f"{camera}/infra{i}/camera_info", NEWEST) for i in (1, 2)]
        self.trials = self.create_publisher(SimTrial, "sim/trial", 1)
        self.motions = self.create_publisher(MotionMessage, "sim/motion", 1)
        self.create_subscription(String, "sim/camera_fault", self.on_fault, 1)
        self.create_service(SimReset, "sim/reset", self.on_reset)
        self.diagnostics = Diagnostics(self, "simulation")
        self.diagnostics.add("cell", self.report)
        self.create_timer(1.0 / self.settings.physics_rate, self.tick)
        self.create_timer(1.0 / self.settings.image_rate, self.shoot)

    def now(self) -> float:
        """Seconds of the node's clock."""
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def on_reset(self, request: SimReset.Request, response: SimReset.Response) -> SimReset.Response:
        """Start the trial of a seed; on failure the message says why."""
        try:
            if request.seed < 0:
                raise ConfigError(f"seed {request.seed} is negative: give 0 or more")
            self._take_task(request.task, int(request.seed))
            self._new_trial(int(request.seed))
        except (ConfigError, SceneError, StateError, Unreachable) as error:
            response.success, response.message = False, str(error)
            return response
        metres, radians = self.trial.start_error
        response.success = True
        response.message = f"start {metres * 1e3:.1f} mm and {np.degrees(radians):.1f} deg from the goal"
        return response

    def _take_task(self, name: str, seed: int) -> None:
        """Another task's scene in place of this one, which stays when the other cannot be built."""
        if name in ("", self.task.name):
            return
        task = load_task(name)
        scene = Scene(task, seed, self.settings.split, sensor=True)
        self.scene.close()
        self.task, self.scene = task, scene

    def on_fault(self, message: String) -> None:
        """Break the camera, or mend it with "none": see ``camera_faults``."""
        try:
            self.faults.set(message.data)
            self.get_logger().info(f"camera fault: {message.data}")
        except ValueError as error:
            self.get_logger().warning(str(error))

    def _new_trial(self, seed: int) -> None:
        """Everything random from the seed; the arm jumps to its start, which only a simulator may do."""
        self.scene.reset(seed)
        self.trial = Trial(self.scene, seed)
        self.state.reset(self.scene.q, self.scene.opening_m)
        self._last_tick = None

    def tick(self) -> None:
        """Follow the arm up to now, in steps of physics, and report the contact."""
        now = self.now()
        last, self._last_tick = self._last_tick, now
        if last is None or now <= last:
            return
        self.ticking.add(now - last, now)
        try:
            self.trial.advance(self.state.read_arm(), min(now - last, LONGEST_TICK_S))
            self.state.report(self.trial.force_n, self.trial.blocked_opening_m)
        except StateError as error:
            self.get_logger().warning(f"the cell stands still: {error}", throttle_duration_sec=5.0)

    def shoot(self) -> None:
        """Bring the cell up to now, render, publish both images with one stamp, and the truth."""
        if self.now() < self._rest_until:
            return
        self.tick()
        begun = self.now()
        stamp_ns = self.get_clock().now().nanoseconds
        for sent in self.faults.send(Pair(stamp_ns, *self.scene.stereo())):
            self._publish(sent)
        spent = self.now() - begun
        self.rendering.add(spent, begun)
        self._rest_until = begun + REST * spent
        self.trials.publish(self._truth(stamp_ns))
        left = self.scene.displacement()
        direction, speed = label(left, self.task.servo.label_slope)
        exact = Motion(np.float32(direction), speed, 1.0)
        distance = float(np.linalg.norm(left))
        self.motions.publish(conversions.motion_to_msg(exact, self.task.axes, stamp_ns, distance, left))

    def _publish(self, pair: Pair) -> None:
        frame, size = self.settings.frame, pair.left.shape
        infos = conversions.camera_infos(self.scene.K, self.scene.baseline_m, size, pair.stamp_ns, frame)
        for info, publisher in zip(infos, self.infos, strict=True):
            publisher.publish(info)
        for image, publisher in zip(pair[1:], self.images, strict=True):
            publisher.publish(conversions.array_to_image(image, pair.stamp_ns, frame))

    def _truth(self, stamp_ns: int) -> SimTrial:
        trial, (metres, radians) = self.trial, self.scene.error()
        return SimTrial(
            header=conversions.header(stamp_ns, "base"), seed=trial.seed, task=self.task.name,
            start_position_error=float(trial.start_error[0]), start_rotation_error=float(trial.start_error[1]),
            position_error=float(metres), rotation_error=float(radians), tilt=float(self.scene.tilt()),
            contacts=trial.contacts, contact_force=float(trial.force_n), completed=trial.completed,
        )  # fmt: skip

    def report(self) -> Report:
        """Diagnostics: does the cell keep up."""
        now = self.now()
        rate, wanted = self.rendering.rate(now), self.settings.image_rate
        render, tick = self.rendering.percentile(50) * 1e3, self.ticking.percentile(99) * 1e3
        values: dict[str, object] = {"images_hz": f"{rate:.1f}", "touched_early": self.trial.touched}
        values |= {"render_p50_ms": f"{render:.1f}", "tick_p99_ms": f"{tick:.1f}"}
        slow = rate < 0.7 * wanted
        return Report(WARN if slow else OK, f"{rate:.0f} of {wanted:.0f} pairs/s" if slow else "ok", values)

    def stop(self) -> None:
        """Leave the shared state."""
        for timer in list(self.timers):
            timer.cancel()
        if hasattr(self, "state"):
            self.state.report(0.0)
            self.state.close()


def record(settings: Any) -> int:
    """The recording mode: what ``kovis record`` does, as a node's executable for launch files."""
    from kovis_ros import bags
    from kovis_sim import rollouts

    signal.signal(signal.SIGINT, signal.default_int_handler)
    task = load_task(settings.task)

    def progress(done: int, whole: int) -> None:
        print(f"record {task.name}: {done} of {whole} roll-outs", flush=True)

    out = Path(settings.record_out)
    with bags.begun(out):
        samples = rollouts.record(task, settings.record_rollouts, settings.seed, out, progress=progress)
    print(f"{out}: {samples} samples", flush=True)
    return 0


def main() -> None:
    """Executable ``sim``."""
    scheduling.give_way()
    made: list[SimNode] = []

    def make() -> SimNode:
        made.append(SimNode())
        return made[0]

    code = spin.main(make)
    if code == 0 and made and made[0].exit_code is not None:
        try:
            code = record(made[0].settings)
        except KeyboardInterrupt:
            print("recording interrupted: start it again to go on", file=sys.stderr)
            code = 130
        except Exception as error:
            code = spin.explain(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
