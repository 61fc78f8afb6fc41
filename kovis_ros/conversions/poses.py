"""Poses and twists; the frame is checked, never guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.conversions.stamps import MessageError, header
from kovis_ros.method import geometry

Array = NDArray[np.float64]


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
