"""One sample as ten serialised ROS messages, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros import conversions
from kovis_ros.bags.sample import BagError, Sample, place
from kovis_ros.method.config import share

IMAGE, INFO, MOTION = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "kovis_msgs/msg/Motion"
KEYPOINT, KEYPOINTS = "kovis_msgs/msg/Keypoint", "kovis_msgs/msg/Keypoints"
SIDES = ("left", "right")
CAMERAS = ("/camera/camera/infra1", "/camera/camera/infra2")
FRAMES = ("camera_infra1_optical_frame", "camera_infra2_optical_frame")
TOPICS = {
    **{f"{camera}/image_rect_raw": IMAGE for camera in CAMERAS},
    **{f"{camera}/camera_info": INFO for camera in CAMERAS},
    **{f"/kovis/truth/{side}/depth": IMAGE for side in SIDES},
    **{f"/kovis/truth/{side}/segmentation": IMAGE for side in SIDES},
    "/kovis/motion": MOTION,
    "/kovis/truth/keypoints": KEYPOINTS,
}


@lru_cache(maxsize=1)
def typestore() -> Any:
    """The message types by name, ours read from the same texts that the ROS build uses."""
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore
    except ImportError as error:
        raise BagError(f"bags need the `rosbags` package ({error}): pip install 'kovis_ros[bags]'") from error
    store = get_typestore(Stores.ROS2_JAZZY)
    for name in (MOTION, KEYPOINT, KEYPOINTS):
        text = Path(share("kovis_msgs", "msg", f"{name.split('/')[-1]}.msg")).read_text()
        store.register(get_types_from_msg(text, name))
    return store


def to_messages(sample: Sample, axes: Sequence[str]) -> dict[str, bytes]:
    """Topic -> CDR bytes of every message of a sample; BagError when a shape or type is wrong."""
    check(sample, axes)
    types = typestore().types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(sample.stamp_ns, 10**9))
    headers = [types["std_msgs/msg/Header"](stamp, frame) for frame in FRAMES]
    tool = types["std_msgs/msg/Header"](stamp, "tool0")
    built: dict[str, Any] = {}
    for i, (camera, side) in enumerate(zip(CAMERAS, SIDES, strict=True)):
        built[f"{camera}/image_rect_raw"] = image(headers[i], (sample.left, sample.right)[i], "mono8")
        built[f"{camera}/camera_info"] = camera_info(headers[0], sample, right=i == 1)
        built[f"/kovis/truth/{side}/depth"] = image(headers[i], sample.depth[i], "16UC1")
        built[f"/kovis/truth/{side}/segmentation"] = image(headers[i], sample.segmentation[i], "mono8")
    built["/kovis/motion"] = motion(tool, sample, axes)
    built["/kovis/truth/keypoints"] = keypoints(headers[0], sample)
    return {topic: bytes(typestore().serialize_cdr(built[topic], msgtype)) for topic, msgtype in TOPICS.items()}


def from_messages(stamp_ns: int, raw: Mapping[str, bytes]) -> Sample:
    """The sample of one stamp from its messages by topic."""
    store = typestore()
    messages = {topic: store.deserialize_cdr(raw[topic], msgtype) for topic, msgtype in TOPICS.items()}
    left, right = (pixels(messages[f"{camera}/image_rect_raw"], np.uint8, "mono8") for camera in CAMERAS)
    depth = np.stack([pixels(messages[f"/kovis/truth/{side}/depth"], np.uint16, "16UC1") for side in SIDES])
    labels = np.stack([pixels(messages[f"/kovis/truth/{side}/segmentation"], np.uint8, "mono8") for side in SIDES])
    K, baseline = conversions.camera_from_infos(*(messages[f"{camera}/camera_info"] for camera in CAMERAS))
    truth = messages["/kovis/motion"]
    direction, displacement = np.asarray(truth.direction), np.asarray(truth.displacement)
    found = messages["/kovis/truth/keypoints"]
    points = np.array([[(p.x, p.y, p.confidence) for p in side] for side in (found.left, found.right)], np.float32)
    return Sample(
        *place(stamp_ns), stamp_ns, left, right, depth, labels, K, baseline, direction, float(truth.speed),
        displacement, points,
    )  # fmt: skip


def check(sample: Sample, axes: Sequence[str]) -> None:
    """BagError when a part of the sample has another shape or type than its siblings say."""
    size = sample.left.shape
    wanted = {
        "left": (size, "uint8"),
        "right": (size, "uint8"),
        "depth": ((2, *size), "uint16"),
        "segmentation": ((2, *size), "uint8"),
        "K": ((3, 3), "float64"),
    }
    for name, (shape, dtype) in wanted.items():
        array = getattr(sample, name)
        if len(size) != 2 or array.shape != shape or array.dtype != dtype:
            raise BagError(f"{name} of a sample is {array.dtype} {array.shape}: {dtype} {shape} is needed")
    points = np.asarray(sample.keypoints)
    if points.ndim != 3 or points.shape[::2] != (2, 3) or not np.all(np.isfinite(points)):
        raise BagError(f"keypoints of a sample are {points.dtype} {points.shape}: finite (2, L, 3) are needed")
    for name in ("direction", "displacement"):
        if np.shape(getattr(sample, name)) != (len(axes),) or not np.all(np.isfinite(getattr(sample, name))):
            raise BagError(f"{name} of a sample is {getattr(sample, name)}: give a finite number for each of {axes}")


def image(header: Any, array: NDArray[Any], encoding: str) -> Any:
    """sensor_msgs/Image of an (H, W) array."""
    height, width = array.shape
    data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    return typestore().types[IMAGE](header, height, width, encoding, 0, width * array.itemsize, data)


def pixels(message: Any, dtype: type, encoding: str) -> NDArray[Any]:
    """(H, W) array of a little-endian, gapless image message; BagError for another encoding or size."""
    height, width = message.height, message.width
    if message.encoding != encoding or message.data.size != height * width * np.dtype(dtype).itemsize:
        raise BagError(
            f"image in the bag is {message.encoding} {width}x{height}, {message.data.size} bytes: {encoding} is needed"
        )
    return np.frombuffer(message.data, dtype).reshape(height, width)


def camera_info(header: Any, sample: Sample, right: bool) -> Any:
    """sensor_msgs/CameraInfo as realsense-ros publishes it: the right one carries the baseline in P."""
    types = typestore().types
    height, width = sample.left.shape
    rectified = conversions.projection(sample.K, sample.baseline_m if right else 0.0)
    region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return types[INFO](
        header, height, width, "plumb_bob", np.zeros(5), sample.K.reshape(-1), np.eye(3).reshape(-1),
        rectified.reshape(-1), 0, 0, region,
    )  # fmt: skip


def motion(header: Any, sample: Sample, axes: Sequence[str]) -> Any:
    """kovis_msgs/Motion with the true motion."""
    displacement = np.asarray(sample.displacement, np.float32)
    direction = np.asarray(sample.direction, np.float32)
    remaining = float(np.linalg.norm(displacement))
    return typestore().types[MOTION](header, list(axes), direction, float(sample.speed), remaining, 1.0, displacement)


def keypoints(header: Any, sample: Sample) -> Any:
    """kovis_msgs/Keypoints with the true places of the landmarks; confidence 1 where they lie in the image."""
    types = typestore().types
    height, width = sample.left.shape
    sides = [
        [types[KEYPOINT](i, float(x), float(y), float(seen)) for i, (x, y, seen) in enumerate(points)]
        for points in sample.keypoints
    ]
    side = float(min(height, width))
    corner = (0.5 * (width - side) - 0.5, 0.5 * (height - side) - 0.5)
    return types[KEYPOINTS](header, "", width, height, *corner, side, *sides, header.stamp)
