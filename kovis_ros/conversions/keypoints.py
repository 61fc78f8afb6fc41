"""Keypoints and the motion read off them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kovis_ros.conversions.stamps import MessageError, header, stamp_to_msg
from kovis_ros.method.motion import Motion

if TYPE_CHECKING:
    from kovis_ros.method.images import StereoKeypoints  # loads torch, which arm and camera do without


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
    from kovis_ros.method.images import Crop, StereoKeypoints

    sides = [points_by_id(found, side) for found, side in ((message.left, "left"), (message.right, "right"))]
    if sides[0].shape != sides[1].shape:
        raise MessageError(f"keypoints number {len(sides[0])} left and {len(sides[1])} right: they come in pairs")
    crop = Crop(float(message.crop_x), float(message.crop_y), float(message.crop_side))
    if not np.all(np.isfinite(crop)) or crop.side <= 0.0 or message.image_width < 1 or message.image_height < 1:
        size = f"{message.image_width}x{message.image_height}"
        raise MessageError(f"keypoints have {crop} of an image {size}: sizes above 0 are needed")
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
