"""The stereo camera alone: ros2 launch kovis_ros camera.launch.py camera:=d435 (or realsense_ros)."""

from launch.actions import IncludeLaunchDescription
from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir

from launch import LaunchDescription


def generate_launch_description():
    """The servo launch file with its part named."""
    arguments = {"part": "camera", "robot": "none", "camera": LaunchConfiguration("camera", default="d435")}
    return LaunchDescription(
        [IncludeLaunchDescription([ThisLaunchFileDir(), "/servo.launch.py"], launch_arguments=arguments.items())]
    )
