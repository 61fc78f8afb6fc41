"""The keypoint node: stereo images in, keypoints out, with the stamp of the left image."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from kovis_msgs.msg import Keypoints
from kovis_ros import conversions
from kovis_ros.method.config import load_task
from kovis_ros.method.images import LEAST_STRUCTURE, StereoKeypoints, intrinsics, structure
from kovis_ros.method.policy import PolicyError, ServoPolicy
from kovis_ros.nodes import overlay
from kovis_ros.nodes.diagnostics import OK, STALE, WARN, Diagnostics, Report, Window
from kovis_ros.nodes.pairing import Pairing
from kovis_ros.nodes.parameters import Parameter, declare

PARAMETERS = (
    Parameter("task", "pick_mug", "name of a shipped task or path of a .yaml"),
    Parameter("checkpoint", "", "path of a checkpoint; empty: the task's shipped weights"),
    Parameter("device", "cpu", "where the network runs: cpu, cuda, cuda:1 ..."),
    Parameter("threads", 1, "of the network on the processor; other nodes need their share", 1, 64),
    Parameter("camera", "/camera/camera", "namespace of the camera topics infra1 and infra2"),
    Parameter("warm_up", 3, "inferences before the node says it is ready", 0, 100),
    Parameter("overlay_rate", 10.0, "pictures a second on overlay, while somebody looks [Hz]", 0.1, 90.0),
    Parameter("refuse_frozen", True, "reject a pair whose pixels equal the pair before: a camera that hangs"),
)
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
EYES = ("left", "right")
APART = 0.04  # share of the crop's side; of 300 good pairs the largest median was 0.025, a covered eye has 0.014 to 0.1
SWAPPED_DISPARITY = -0.05  # share of the crop's side; rectified disparities are positive
REMIND_S = 5.0


class KeypointNode(Node):
    """Pairs images of equal stamp, finds keypoints, publishes; what cannot be used is counted by cause."""

    def __init__(self, load: Callable[..., ServoPolicy] = ServoPolicy.load, **options: Any) -> None:
        super().__init__("keypoint", automatically_declare_parameters_from_overrides=True, **options)
        self.settings = declare(self, PARAMETERS)
        task, settings = load_task(self.settings.task), self.settings
        self.policy = load(settings.checkpoint or task.name, settings.device, settings.threads)
        self.policy.expect(task)
        self.images, self.infos = Pairing(), Pairing()
        self.K: np.ndarray | None = None
        self.info_size = (0, 0)
        self.rejected: Counter[str] = Counter()
        self.inference, self.age = Window(), Window()
        self.last: tuple[bytes, bytes] | None = None
        self._last_overlay, self._reported = 0.0, 0
        self._warm_up()
        self._wire()

    def _wire(self) -> None:
        self.publisher = self.create_publisher(Keypoints, "keypoints", 1)
        self.overlay = self.create_publisher(Image, "overlay", 1)
        for side, name in enumerate(("infra1", "infra2")):
            topic = f"{self.settings.camera}/{name}"
            self.create_subscription(Image, f"{topic}/image_rect_raw", lambda m, s=side: self.on_image(s, m), NEWEST)
            self.create_subscription(CameraInfo, f"{topic}/camera_info", lambda m, s=side: self.on_info(s, m), NEWEST)
        self.diagnostics = Diagnostics(self, self.policy.task.name)
        self.diagnostics.add("stereo input", self.report_input)
        self.diagnostics.add("inference", self.report_inference)
        self.get_logger().info(
            f"ready: task {self.policy.task.name}, inference {self.inference.percentile(50) * 1e3:.1f} ms"
        )

    def _warm_up(self) -> None:
        """The first inferences are slow (allocation, kernels chosen): not while an arm moves."""
        camera = self.policy.task.camera
        size = camera.size_px
        K = intrinsics(float(np.mean(camera.field_of_view_deg)), size)
        noise = np.random.default_rng(0).integers(0, 256, (2, size, size), np.uint8)
        for _ in range(self.settings.warm_up):
            begun = time.perf_counter()
            fault_of(self.policy.keypoints(noise[0], noise[1], K))
            self.inference.add(time.perf_counter() - begun, begun)

    def on_info(self, side: int, message: CameraInfo) -> None:
        """Take the intrinsics; one line when they are no use."""
        pair = self.infos.add(side, conversions.stamp_from_msg(message.header.stamp), message)
        if pair is None:
            return
        try:
            self.K, _ = conversions.camera_from_infos(*pair)
            self.info_size = (int(pair[0].height), int(pair[0].width))
        except ValueError as error:
            self.K = None
            self._reject("camera_info", str(error))

    def on_image(self, side: int, message: Image) -> None:
        """Take an image; a complete pair is worked on at once."""
        pair = self.images.add(side, conversions.stamp_from_msg(message.header.stamp), message)
        if pair is None:
            return
        try:
            left, right = (conversions.image_to_array(image) for image in pair)
        except ValueError as error:
            self._reject("message", str(error))
            return
        if self.K is None:
            self._reject("camera_info missing", "no camera_info of both cameras yet: check the camera node")
        elif left.shape != right.shape or left.shape != self.info_size:
            sizes = f"images are {left.shape} and {right.shape}, camera_info says {self.info_size}"
            self._reject("size", f"{sizes}: (H, W) must agree, use one camera mode")
        elif eye := self._frozen(left, right):
            self._reject("frozen", f"the {eye} pixels are those of the pair before: the camera hangs, restart it")
        elif eye := dark(left, right):
            self._reject("dark", f"the {eye} image shows nothing but noise: check lens cap, exposure and light")
        else:
            self._find(pair[0].header, left, right)

    def _frozen(self, left: np.ndarray, right: np.ndarray) -> str:
        """Which eye hangs, empty for none: noise makes every image differ, so equal ones are one image sent twice."""
        before, self.last = self.last, (left.tobytes(), right.tobytes())
        if before is None or not self.settings.refuse_frozen:
            return ""
        return next((eye for eye, old, new in zip(EYES, before, self.last, strict=True) if old == new), "")

    def _find(self, header: Any, left: np.ndarray, right: np.ndarray) -> None:
        begun = time.perf_counter()
        try:
            keypoints = self.policy.keypoints(left, right, self.K)
        except PolicyError as error:  # of the network, not of its images; a ValueError too
            self._reject("not finite", str(error))
            return
        except ValueError as error:
            self._reject("image", str(error))
            return
        fault = fault_of(keypoints)
        if fault:
            self._reject(*fault)
            return
        done = self.get_clock().now().nanoseconds
        stamp_ns = conversions.stamp_from_msg(header.stamp)
        self.inference.add(time.perf_counter() - begun, begun)
        self.age.add((done - stamp_ns) * 1e-9, begun)
        self.publisher.publish(conversions.keypoints_to_msg(keypoints, header, self.policy.task.name, done))
        self._show(header, left, right, keypoints, begun)

    def _show(self, header: Any, left: np.ndarray, right: np.ndarray, keypoints: StereoKeypoints, now: float) -> None:
        """Publish the picture for people, only while somebody looks and not at every image."""
        if now - self._last_overlay < 1.0 / self.settings.overlay_rate or not self.overlay.get_subscription_count():
            return
        self._last_overlay = now
        picture = overlay.draw(left, right, keypoints, self.policy.task.name)
        stamp_ns = conversions.stamp_from_msg(header.stamp)
        self.overlay.publish(conversions.array_to_image(picture, stamp_ns, header.frame_id, "bgr8"))

    def _reject(self, cause: str, reason: str) -> None:
        self.rejected[cause] += 1
        self.get_logger().warning(f"pair rejected: {reason}", throttle_duration_sec=REMIND_S)

    def report_input(self) -> Report:
        """Diagnostics: rate and age of pairs, and what was left out."""
        now = time.perf_counter()
        rate = self.age.rate(now)
        values: dict[str, object] = {"pairs_hz": f"{rate:.1f}", "age_p95_ms": f"{self.age.percentile(95) * 1e3:.1f}"}
        values |= {"unmatched": self.images.unmatched, **{f"rejected {k}": n for k, n in self.rejected.items()}}
        if rate == 0.0:
            return Report(STALE, "no usable stereo pairs", values)
        fresh, self._reported = self.rejected.total() - self._reported, self.rejected.total()
        return Report(WARN if fresh else OK, f"{fresh} pairs rejected" if fresh else "ok", values)

    def report_inference(self) -> Report:
        """Diagnostics: how long the network takes."""
        p50, p95 = (self.inference.percentile(share) * 1e3 for share in (50, 95))
        return Report(
            OK, f"{p50:.1f} ms", {"p50_ms": f"{p50:.1f}", "p95_ms": f"{p95:.1f}", "device": self.settings.device}
        )


def dark(left: np.ndarray, right: np.ndarray) -> str:
    """Which of two images (H, W) uint8 shows nothing but noise, empty for none."""
    return next((eye for eye, image in zip(EYES, (left, right), strict=True) if structure(image) < LEAST_STRUCTURE), "")


def fault_of(keypoints: StereoKeypoints) -> tuple[str, str] | None:
    """(cause, reason) why keypoints cannot be true, None if they can."""
    if not (np.all(np.isfinite(keypoints.left)) and np.all(np.isfinite(keypoints.right))):
        return "not finite", "the network gave a keypoint that is no number: check the checkpoint"
    apart = np.abs(keypoints.left[:, 1] - keypoints.right[:, 1]) / keypoints.crop.side
    disparity = float(np.median(keypoints.left[:, 0] - keypoints.right[:, 0])) / keypoints.crop.side
    if (rows := float(np.median(apart))) > APART:
        return "unlike", f"keypoints lie {rows:.2f} of the view apart in row: one lens is covered, or no rectified pair"
    if disparity < SWAPPED_DISPARITY:
        return "swapped", f"median disparity is {disparity:.2f} of the view, below 0: left and right are swapped"
    return None
