"""The stereo camera node: the infrared pair of a RealSense camera, on the topics of realsense-ros."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from kovis_ros import conversions
from kovis_ros.drivers import camera_modes
from kovis_ros.drivers.camera_errors import CameraError
from kovis_ros.drivers.camera_loop import CameraLoop, Patience, State
from kovis_ros.drivers.realsense import RealSense, Setup
from kovis_ros.drivers.realsense_options import Light
from kovis_ros.drivers.stereo_pairs import StereoPair
from kovis_ros.method.config import load_task
from kovis_ros.nodes import spin
from kovis_ros.nodes.diagnostics import ERROR, OK, WARN, Diagnostics, Report, Window
from kovis_ros.nodes.parameters import Parameter, declare

PARAMETERS = (
    Parameter("serial", "", "serial number of the camera, as _0123 (a bare number is no string); empty: the only one"),
    Parameter("mode", "848x480x30", "width x height x rate of the infrared images; 640x480 and 60 or 90 Hz are common"),
    Parameter("recording", "", "path of a .db3 or .bag of librealsense to play instead of a camera"),
    Parameter("repeat", True, "play the recording again and again; false: end after it"),
    Parameter("emitter_off", True, "switch the dot projector off, and refuse images it is on in"),
    Parameter("auto_exposure", True, "let the camera choose exposure and gain"),
    Parameter("exposure_us", 8000, "exposure where it is not automatic [us]", 1, 165000),
    Parameter("gain", 16, "gain where exposure is not automatic [camera's units, a D435: 16..248]", 0, 1000),
    Parameter("exposure_limit_us", 0, "longest automatic exposure, newer firmware; 0: the camera's [us]", 0, 200000),
    Parameter("image_timeout", 1.0, "without a pair for so long the camera is started anew [s]", 0.1, 60.0),
    Parameter("start_timeout", 5.0, "the same for the first pair after a start [s]", 0.5, 60.0),
    Parameter("max_age", 0.5, "pairs that took longer from capture to here are dropped [s]", 0.01, 10.0),
    Parameter("camera", "/camera/camera", "namespace of the camera topics infra1 and infra2"),
    Parameter("frame", "camera_infra1_optical_frame", "frame of both images"),
    Parameter("task", "", "end when this task's network cannot use the field of view; empty: not looked at"),
)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
HUNG = 4  # exit code
STUCK_S = 30.0  # no call into the library takes so long: the process is ended, bring-up says so
SAME_CLOCK_NS = 1_000_000
LISTENER_S = 5.0
SLOW = 0.8  # of the mode's rate


class StereoCameraNode(Node):
    """Publishes pairs from a thread of its own; the executor's thread only reports."""

    def __init__(self, **options: Any) -> None:
        connect = options.pop("connect", None)
        super().__init__("stereo_camera", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = settings = declare(self, PARAMETERS)
        self.task = load_task(settings.task) if settings.task else None
        light = Light(
            settings.emitter_off,
            settings.auto_exposure,
            settings.exposure_us,
            settings.gain,
            settings.exposure_limit_us,
        )
        mode, more = camera_modes.parse(settings.mode), {"connect": connect} if connect else {}
        self.camera = RealSense(mode, light, settings.serial, settings.recording, **more)
        patience = Patience(settings.image_timeout, settings.start_timeout, settings.max_age)
        self.loop = CameraLoop(self.camera, patience, self._tell, settings.repeat)
        self.camera.check()
        self.exit_code: int | None = None
        self._fault: Exception | None = None
        self.age = Window()
        self.exposure = (-1, -1)
        self._calibrated: Setup | None = None
        self._infos: tuple[CameraInfo, CameraInfo] | None = None
        self._wire()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def _wire(self) -> None:
        name = self.settings.camera
        self.images = [self.create_publisher(Image, f"{name}/infra{i}/image_rect_raw", NEWEST) for i in (1, 2)]
        self.infos = [self.create_publisher(CameraInfo, f"{name}/infra{i}/camera_info", NEWEST) for i in (1, 2)]
        self.diagnostics = Diagnostics(self, self.settings.serial or "RealSense")
        self.diagnostics.add("camera", self.report_camera)
        self.diagnostics.add("images", self.report_images)
        self.create_timer(0.5, self.watch)

    # the camera's thread

    def _run(self) -> None:
        try:
            if self.task is not None:
                import kovis_ros.method.images  # noqa: F401  # loads torch, seconds: before images wait

            self._await_listener()
            while not self._stopping.is_set():
                pair = self.loop.step()
                if pair is not None and not self._stopping.is_set():
                    self.publish(pair)
        except Exception as error:
            self._fault = error  # raised again where it ends the process
        self.loop.close()

    def _await_listener(self) -> None:
        """A recording that is played once starts when somebody listens to both eyes, or after a while alone."""
        if not self.settings.recording or self.settings.repeat:
            return
        for _ in range(round(LISTENER_S / 0.1)):
            heard = all(publisher.get_subscription_count() for publisher in self.images)
            if self._stopping.wait(0.5 if heard else 0.1) or heard:
                return

    def publish(self, pair: StereoPair) -> None:
        """Both images and their camera_info with one stamp, the time of capture on the node's clock."""
        ahead_ns = self.get_clock().now().nanoseconds - time.time_ns()  # simulated time is another clock
        stamp_ns = pair.captured_ns + (ahead_ns if abs(ahead_ns) > SAME_CLOCK_NS else 0)
        stamp, frame = conversions.stamp_to_msg(stamp_ns), self.settings.frame
        for info, publisher in zip(self._info_pair(stamp_ns), self.infos, strict=True):
            info.header.stamp = stamp
            publisher.publish(info)
        for image, publisher in zip((pair.left, pair.right), self.images, strict=True):
            publisher.publish(conversions.array_to_image(image, stamp_ns, frame))
        now = time.perf_counter()
        self.age.add((time.time_ns() - pair.captured_ns) * 1e-9, now)
        self.exposure = (pair.exposure_us, pair.gain)

    def _info_pair(self, stamp_ns: int) -> tuple[CameraInfo, CameraInfo]:
        """camera_info of left and right, made anew when the camera was started anew."""
        setup = self.loop.setup
        if self._infos is None or setup is not self._calibrated:
            size = (setup.mode.height, setup.mode.width)
            self._check_view(setup, size)
            self._calibrated = setup
            self._infos = conversions.camera_infos(setup.K, setup.baseline_m, size, stamp_ns, self.settings.frame)
        return self._infos

    def _check_view(self, setup: Setup, size: tuple[int, int]) -> None:
        """CameraError where the keypoint node would refuse every image: the mode will not change by itself."""
        if self.task is None:
            return
        from kovis_ros.method.images import ImageError, crop_for  # loads torch

        try:
            crop_for(setup.K, size, self.task.camera.field_of_view_deg)
        except ImageError as error:
            raise CameraError(f"task {self.task.name} cannot use mode {setup.mode}: {error}") from None

    def _tell(self, urgent: bool, line: str) -> None:
        if urgent:
            self.get_logger().warning(line)
        else:
            self.get_logger().info(line)

    # the executor's thread

    def watch(self) -> None:
        """End with a recording, with an error in the camera's thread, or when the library does not come back."""
        if self._fault is not None:
            raise self._fault
        if self.loop.state == State.ENDED:
            self.exit_code = 0
        stuck_s = time.monotonic() - self.loop.beat_s
        if stuck_s > STUCK_S:
            print(
                f"error: the camera's library does not answer for {stuck_s:.0f} s: replug the camera", file=sys.stderr
            )
            sys.stderr.flush()
            os._exit(HUNG)  # its threads would keep an ordinary end waiting

    def report_camera(self) -> Report:
        """Diagnostics: which camera, how it is set, or what is missing."""
        setup, loop = self.loop.setup, self.loop
        values: dict[str, object] = {"state": loop.state.value, "starts": loop.starts}
        if setup is None or loop.state != State.STREAMING:
            return Report(ERROR, loop.trouble or loop.state.value, values)
        values |= {"name": setup.name, "serial": setup.serial, "usb": setup.usb or "unknown", "mode": setup.mode}
        values |= {
            "emitter": setup.emitter,
            "baseline_mm": f"{setup.baseline_m * 1e3:.2f}",
            "fx": f"{setup.K[0, 0]:.1f}",
        }
        values |= {"exposure_us": self.exposure[0], "gain": self.exposure[1], "stamps": self.camera.clock.source}
        if self.camera.clock.source == "system time":
            return Report(WARN, "stamps are times of arrival: the kernel gives no metadata", values)
        return Report(WARN if setup.warnings else OK, "; ".join(setup.warnings) or "ok", values)

    def report_images(self) -> Report:
        """Diagnostics: rate and age of pairs, and what was dropped by cause."""
        rate, setup = self.age.rate(time.perf_counter()), self.loop.setup
        values: dict[str, object] = {"pairs_hz": f"{rate:.1f}"}
        values |= {f"age_p{share}_ms": f"{self.age.percentile(share) * 1e3:.1f}" for share in (50, 95)}
        values |= {f"dropped, {cause}": count for cause, count in self.camera.dropped.items()}
        if rate == 0.0 or setup is None:
            return Report(ERROR, "no images", values)
        slow = rate < SLOW * setup.mode.rate_hz
        return Report(WARN if slow else OK, f"{rate:.0f} of {setup.mode.rate_hz} pairs/s" if slow else "ok", values)

    def stop(self) -> None:
        """Stop the camera; one whose library hangs is left behind."""
        self._stopping.set()
        self._thread.join(timeout=3.0)


def main() -> None:
    """Executable ``stereo_camera``."""
    sys.exit(spin.main(StereoCameraNode))


if __name__ == "__main__":
    main()
