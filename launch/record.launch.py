"""Record training roll-outs: ros2 launch kovis_ros record.launch.py task:=pick_mug rollouts:=7000 out:=DIR."""

from launch.actions import IncludeLaunchDescription
from launch.substitutions import ThisLaunchFileDir

from launch import LaunchDescription


def generate_launch_description():
    """The servo launch file with its part named."""
    arguments = {"part": "record"}
    return LaunchDescription(
        [IncludeLaunchDescription([ThisLaunchFileDir(), "/servo.launch.py"], launch_arguments=arguments.items())]
    )
