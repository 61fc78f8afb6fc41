"""The process graph of a task as plain data, read by the launch files and by ``kovis servo``."""

from kovis_ros.bringup.arguments import ARGUMENTS, Argument, settle
from kovis_ros.bringup.graph import Process, camera_graph, graph, recording_graph, sim_graph

__all__ = ["ARGUMENTS", "Argument", "Process", "camera_graph", "graph", "recording_graph", "settle", "sim_graph"]
