"""Images and camera_info."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.conversions.stamps import MessageError, header

Array = NDArray[np.float64]
BYTES_PER_PIXEL = {"mono8": 1, "8UC1": 1, "16UC1": 2, "mono16": 2, "bgr8": 3, "rgb8": 3, "32FC1": 4}
SAME_LAYOUT = {"16UC1": "mono16"}  # PyPI's cv_bridge 1.13 takes 16UC1 for 8 bits (and its types are OpenCV 4's)


@lru_cache(maxsize=1)
def bridge() -> Any:
    """The one CvBridge; it builds its tables once."""
    from cv_bridge import CvBridge

    return CvBridge()


def image_to_array(message: Any, encoding: str = "mono8") -> NDArray[Any]:
    """(H, W) or (H, W, 3) array of a sensor_msgs/Image, a view of its data where the rows have no padding.

    MessageError when the encoding is another one, or width, step and data do not fit each other.
    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    if message.encoding != encoding:
        raise MessageError(f"image encoding is {message.encoding!r}: {encoding!r} is needed, set it in the camera node")
    row = width * BYTES_PER_PIXEL[encoding]
    if height < 1 or width < 1 or step < row or len(message.data) != height * step:
        raise MessageError(
            f"image {width}x{height} {encoding} has step {step} and {len(message.data)} bytes: "
            f"step must be at least {row} and the data height x step bytes"
        )
    if step == row and encoding not in SAME_LAYOUT:
        return np.asarray(bridge().imgmsg_to_cv2(message, "passthrough"))
    rows = np.frombuffer(memoryview(message.data), np.uint8).reshape(height, step)[:, :row]  # cv_bridge overlooks step
    array = np.ascontiguousarray(rows).view({2: np.uint16, 4: np.float32}.get(BYTES_PER_PIXEL[encoding], np.uint8))
    return array.reshape(height, width, -1) if array.shape[1] != width else array


def array_to_image(array: ArrayLike, stamp_ns: int, frame: str, encoding: str = "mono8") -> Any:
    """sensor_msgs/Image of an (H, W) or (H, W, 3) array; MessageError when it does not fit the encoding."""
    pixels = np.ascontiguousarray(array)
    try:
        message = bridge().cv2_to_imgmsg(pixels, SAME_LAYOUT.get(encoding, encoding))
    except Exception as error:  # CvBridgeError, KeyError or TypeError, by cv_bridge's version
        raise MessageError(f"{pixels.dtype} array {pixels.shape} is no {encoding} image: convert it first") from error
    message.header, message.encoding = header(stamp_ns, frame), encoding
    return message


def projection(K: ArrayLike, baseline_m: float = 0.0) -> Array:
    """P (3, 4) of a rectified camera `baseline_m` to the right of the left one: P[0, 3] = -fx * baseline."""
    k = np.asarray(K, float)
    return np.hstack([k, [[-k[0, 0] * baseline_m], [0.0], [0.0]]])


def camera_infos(K: ArrayLike, baseline_m: float, size: tuple[int, int], stamp_ns: int, frame: str) -> tuple[Any, Any]:
    """sensor_msgs/CameraInfo of left and right as realsense-ros publishes them: both in the left optical `frame`.

    K (3, 3) in pixels, size (H, W), baseline in metres along x of the left camera.
    """
    from sensor_msgs.msg import CameraInfo

    k = np.asarray(K, float)
    pair = []
    for offset in (0.0, baseline_m):
        info = CameraInfo(header=header(stamp_ns, frame), height=size[0], width=size[1], distortion_model="plumb_bob")
        info.d, info.k, info.r = [0.0] * 5, k.reshape(-1).tolist(), np.eye(3).reshape(-1).tolist()
        info.p = projection(k, offset).reshape(-1).tolist()
        pair.append(info)
    return pair[0], pair[1]


def camera_from_infos(left: Any, right: Any) -> tuple[Array, float]:
    """K (3, 3) of a stereo pair and its baseline in metres from two CameraInfo messages.

    MessageError when the cameras are not calibrated, differ, or the right one carries no baseline.
    """
    K = np.array(left.k, float).reshape(3, 3)
    P = np.array(right.p, float).reshape(3, 4)
    if not np.all(np.isfinite(K)) or K[0, 0] <= 0.0 or K[1, 1] <= 0.0:
        raise MessageError(f"left camera_info has K = {K.reshape(-1).tolist()}: calibrate the camera")
    same = np.all(np.abs(P[:, :3] - K) <= 0.5 + 1e-3 * np.abs(K))  # false for nan
    if (left.width, left.height) != (right.width, right.height) or not same:
        raise MessageError(
            f"right camera_info ({right.width}x{right.height}, P = {P.reshape(-1).tolist()}) differs from the left "
            f"({left.width}x{left.height}, K = {K.reshape(-1).tolist()}): publish rectified images of one mode"
        )
    baseline = -float(P[0, 3]) / float(P[0, 0])
    if not 0.001 < baseline < 1.0:
        raise MessageError(f"right camera_info gives a baseline of {baseline:.4f} m: swap the cameras or check P[3]")
    return K, baseline
