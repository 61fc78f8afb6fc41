"""The simulated cell alone: the arm's controller and the stereo images."""

from launch.actions import IncludeLaunchDescription
from launch.substitutions import ThisLaunchFileDir

from launch import LaunchDescription


def generate_launch_description():
    """The servo launch file with its part named."""
    arguments = {"part": "sim"}
    return LaunchDescription(
        [IncludeLaunchDescription([ThisLaunchFileDir(), "/servo.launch.py"], launch_arguments=arguments.items())]
    )
