"""The servo graph: ros2 launch kovis_ros servo.launch.py task:=pick_mug (--show-args lists what can be chosen)."""

import sys

from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from kovis_ros import bringup
from launch import LaunchDescription


def generate_launch_description():
    """Every process that bring-up names for the arguments given."""
    declared = [
        DeclareLaunchArgument(
            a.name, default_value=a.default, description=a.description, choices=list(a.choices) or None
        )
        for a in bringup.ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context):
    """The processes as launch actions; a misspelt argument is refused, which launch itself would overlook."""
    bringup.refuse_misspelt(context.launch_configurations)
    given = {a.name: LaunchConfiguration(a.name).perform(context) for a in bringup.ARGUMENTS}
    return [action(process) for process in bringup.graph(given)]


def end_of(name):
    """What launch does when a required process ends: all end, and `ros2 launch` with an error unless it ended well."""

    def on_exit(event, context):
        if event.returncode and not context.is_shutdown:
            raise RuntimeError(f"{name} ended with code {event.returncode}: its lines above say why")
        return [Shutdown(reason=f"{name} has ended")]

    return on_exit


def action(process):
    """One process as launch starts it; the end of a required one ends the launch."""
    more = {"output": "screen", "additional_env": dict(process.environment)}
    more |= {"respawn": process.restart, "respawn_delay": 1.0}
    if process.required:
        more["on_exit"] = end_of(process.name)
    if not process.executable:
        command = [sys.executable if word == "python3" else word for word in process.command]
        return ExecuteProcess(cmd=command, name=process.name, **more)
    return Node(
        package=process.package,
        executable=process.executable,
        name=process.name,
        namespace=process.namespace,
        parameters=[*process.parameter_files, dict(process.parameters)],
        remappings=list(process.remaps),
        ros_arguments=["--log-level", process.log_level],
        **more,
    )
