"""ROS messages <-> numpy. Reads any object with the message's fields, so messages out of a bag too; no rclpy.

Message packages are imported where a message is made: reading works without ROS.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.method import geometry
from kovis_ros.method.images import Crop, StereoKeypoints
from kovis_ros.method.motion import Motion

Array = NDArray[np.float64]
BYTES_PER_PIXEL = {"mono8": 1, "8UC1": 1, "16UC1": 2, "mono16": 2, "bgr8": 3, "rgb8": 3, "32FC1": 4}


class MessageError(ValueError):
    """A message holds what cannot be used; the text names the thing, the value and the remedy."""


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
    if step == row:
        return np.asarray(bridge().imgmsg_to_cv2(message, "passthrough"))
    rows = np.frombuffer(memoryview(message.data), np.uint8).reshape(height, step)[:, :row]  # cv_bridge overlooks step
    array = np.ascontiguousarray(rows).view({2: np.uint16, 4: np.float32}.get(BYTES_PER_PIXEL[encoding], np.uint8))
    return array.reshape(height, width, -1) if array.shape[1] != width else array


def array_to_image(array: ArrayLike, stamp_ns: int, frame: str, encoding: str = "mono8") -> Any:
    """sensor_msgs/Image of an (H, W) or (H, W, 3) array; MessageError when it does not fit the encoding."""
    pixels = np.ascontiguousarray(array)
    try:
        message = bridge().cv2_to_imgmsg(pixels, encoding)
    except Exception as error:  # CvBridgeError, KeyError or TypeError, by cv_bridge's version
        raise MessageError(f"{pixels.dtype} array {pixels.shape} is no {encoding} image: convert it first") from error
    message.header = header(stamp_ns, frame)
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
    if (left.width, left.height) != (right.width, right.height) or not np.allclose(P[:, :3], K, rtol=1e-3, atol=0.5):
        raise MessageError(
            f"right camera_info ({right.width}x{right.height}, P = {P.reshape(-1).tolist()}) differs from the left "
            f"({left.width}x{left.height}, K = {K.reshape(-1).tolist()}): publish rectified images of one mode"
        )
    baseline = -float(P[0, 3]) / float(P[0, 0])
    if not 0.001 < baseline < 1.0:
        raise MessageError(
            f"right camera_info gives a baseline of {baseline:.4f} m (P[3] = {P[0, 3]:g}): swap or check it"
        )
    return K, baseline


def keypoints_to_msg(keypoints: StereoKeypoints, image_header: Any, task: str, inference_stamp_ns: int) -> Any:
    """kovis_msgs/Keypoints; `image_header` is the left image's."""
    from kovis_msgs.msg import Keypoint, Keypoints

    crop, (height, width) = keypoints.crop, keypoints.image_size
    message = Keypoints(header=image_header, task=task, image_width=int(width), image_height=int(height))
    message.crop_x, message.crop_y, message.crop_side = float(crop.x), float(crop.y), float(crop.side)
    for points, found in ((keypoints.left, message.left), (keypoints.right, message.right)):
        for i, (x, y, confidence) in enumerate(np.asarray(points, float).tolist()):
            found.append(Keypoint(id=i, x=x, y=y, confidence=confidence))
    message.inference_stamp = stamp_to_msg(inference_stamp_ns)
    return message


def keypoints_from_msg(message: Any) -> StereoKeypoints:
    """The keypoints by id; MessageError for gaps in the ids, non-finite numbers or an impossible crop."""
    sides = [points_by_id(found, side) for found, side in ((message.left, "left"), (message.right, "right"))]
    if sides[0].shape != sides[1].shape:
        raise MessageError(f"keypoints number {len(sides[0])} left and {len(sides[1])} right: they come in pairs")
    crop = Crop(float(message.crop_x), float(message.crop_y), float(message.crop_side))
    if not np.all(np.isfinite(crop)) or crop.side <= 0.0 or message.image_width < 1 or message.image_height < 1:
        raise MessageError(
            f"keypoints have {crop} of a {message.image_width}x{message.image_height} image: need both > 0"
        )
    return StereoKeypoints(sides[0], sides[1], (int(message.image_height), int(message.image_width)), crop)


def points_by_id(found: Sequence[Any], side: str) -> NDArray[np.float32]:
    """(K, 3) x, y, confidence, ordered by id 0..K-1."""
    ordered = sorted(found, key=lambda point: point.id)
    if [point.id for point in ordered] != list(range(len(ordered))):
        raise MessageError(
            f"{side} keypoints have ids {[point.id for point in ordered]}: 0..K-1, each once, are needed"
        )
    points = np.array([(p.x, p.y, p.confidence) for p in ordered], np.float32).reshape(-1, 3)
    if not np.all(np.isfinite(points)):
        raise MessageError(f"{side} keypoints hold {points[~np.isfinite(points)].tolist()}: finite numbers are needed")
    return points


def motion_to_msg(
    motion: Motion,
    axes: Sequence[str],
    stamp_ns: int,
    estimated_error_m: float,
    displacement: ArrayLike = (),
    frame: str = "tool0",
) -> Any:
    """kovis_msgs/Motion on the named axes; `displacement` (d,) only where the truth is known."""
    from kovis_msgs.msg import Motion as MotionMessage

    message = MotionMessage(header=header(stamp_ns, frame), axes=list(axes), speed=float(motion.speed))
    message.direction = np.asarray(motion.direction, float).tolist()
    message.estimated_error, message.confidence = float(estimated_error_m), float(motion.confidence)
    message.displacement = np.asarray(displacement, float).tolist()
    return message


def motion_from_msg(message: Any) -> Motion:
    """The motion; MessageError when direction and axes differ in number, or a number is not finite or out of range."""
    direction = np.array(message.direction, np.float32)
    speed, confidence = float(message.speed), float(message.confidence)
    if direction.shape != (len(message.axes),):
        raise MessageError(f"motion has {direction.size} numbers for axes {list(message.axes)}: one each is needed")
    if not np.all(np.isfinite(direction)) or not 0.0 <= speed <= 1.0 or not 0.0 <= confidence <= 1.0:
        raise MessageError(
            f"motion has direction {direction.tolist()}, speed {speed}, confidence {confidence}: "
            "finite numbers with speed and confidence in 0..1 are needed"
        )
    return Motion(direction, speed, confidence)


def pose_to_msg(frame_T_body: ArrayLike, stamp_ns: int, frame: str) -> Any:
    """geometry_msgs/PoseStamped of a pose (4, 4) in metres, in the named frame."""
    from geometry_msgs.msg import Point, PoseStamped, Quaternion

    pose = np.asarray(frame_T_body, float)
    message = PoseStamped(header=header(stamp_ns, frame))
    message.pose.position = Point(**dict(zip("xyz", pose[:3, 3].tolist(), strict=True)))
    message.pose.orientation = Quaternion(**dict(zip("xyzw", geometry.quaternion(pose[:3, :3]).tolist(), strict=True)))
    return message


def pose_from_msg(message: Any, frame: str) -> Array:
    """Pose (4, 4) in `frame`; MessageError for another frame, a non-finite number or a quaternion not of length 1."""
    check_frame(message, frame, "pose")
    p, q = message.pose.position, message.pose.orientation
    numbers = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w], float)
    if not np.all(np.isfinite(numbers)) or abs(float(np.linalg.norm(numbers[3:])) - 1.0) > 1e-3:
        raise MessageError(f"pose is {numbers.tolist()}: finite metres and a unit quaternion (x, y, z, w) are needed")
    return geometry.pose(numbers[:3], geometry.from_quaternion(numbers[3:]))


def twist_to_msg(twist: ArrayLike, stamp_ns: int, frame: str = "tool0") -> Any:
    """geometry_msgs/TwistStamped of a twist (6,), v in m/s then w in rad/s; MessageError when it is not finite."""
    from geometry_msgs.msg import TwistStamped, Vector3

    numbers = np.asarray(twist, float)
    if numbers.shape != (6,) or not np.all(np.isfinite(numbers)):
        raise MessageError(f"twist is {numbers.tolist()}: six finite numbers are needed")
    message = TwistStamped(header=header(stamp_ns, frame))
    message.twist.linear = Vector3(**dict(zip("xyz", numbers[:3].tolist(), strict=True)))
    message.twist.angular = Vector3(**dict(zip("xyz", numbers[3:].tolist(), strict=True)))
    return message


def twist_from_msg(message: Any, frame: str = "tool0") -> Array:
    """Twist (6,) in m/s and rad/s; MessageError for another frame or a number that is not finite."""
    check_frame(message, frame, "twist")
    v, w = message.twist.linear, message.twist.angular
    numbers = np.array([v.x, v.y, v.z, w.x, w.y, w.z], float)
    if not np.all(np.isfinite(numbers)):
        raise MessageError(f"twist is {numbers.tolist()}: six finite numbers are needed")
    return numbers


def check_frame(message: Any, frame: str, what: str) -> None:
    """MessageError when the message is not in the frame that its reader expects."""
    if message.header.frame_id != frame:
        raise MessageError(f"{what} is in frame {message.header.frame_id!r}: {frame!r} is needed, transform it first")


def header(stamp_ns: int, frame: str) -> Any:
    """std_msgs/Header."""
    from std_msgs.msg import Header

    return Header(stamp=stamp_to_msg(stamp_ns), frame_id=frame)


def stamp_to_msg(stamp_ns: int) -> Any:
    """builtin_interfaces/Time of nanoseconds."""
    from builtin_interfaces.msg import Time

    seconds, nanoseconds = divmod(int(stamp_ns), 10**9)
    return Time(sec=seconds, nanosec=nanoseconds)


def stamp_from_msg(time: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time or Duration."""
    return int(time.sec) * 10**9 + int(time.nanosec)


def duration_to_msg(seconds: float) -> Any:
    """builtin_interfaces/Duration of seconds, negative ones too."""
    from builtin_interfaces.msg import Duration

    whole, rest = divmod(round(seconds * 1e9), 10**9)
    return Duration(sec=int(whole), nanosec=int(rest))
