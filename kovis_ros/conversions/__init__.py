"""ROS messages <-> numpy. Reads any object with the message's fields, so messages out of a bag too; no rclpy.

Message packages are imported where a message is made: reading numbers works without ROS.
"""

from kovis_ros.conversions.cameras import array_to_image, camera_from_infos, camera_infos, image_to_array, projection
from kovis_ros.conversions.keypoints import keypoints_from_msg, keypoints_to_msg, motion_from_msg, motion_to_msg
from kovis_ros.conversions.poses import pose_from_msg, pose_to_msg, twist_from_msg, twist_to_msg
from kovis_ros.conversions.stamps import MessageError, duration_to_msg, header, stamp_from_msg, stamp_to_msg

__all__ = [
    "MessageError",
    "array_to_image",
    "camera_from_infos",
    "camera_infos",
    "duration_to_msg",
    "header",
    "image_to_array",
    "keypoints_from_msg",
    "keypoints_to_msg",
    "motion_from_msg",
    "motion_to_msg",
    "pose_from_msg",
    "pose_to_msg",
    "projection",
    "stamp_from_msg",
    "stamp_to_msg",
    "twist_from_msg",
    "twist_to_msg",
]
