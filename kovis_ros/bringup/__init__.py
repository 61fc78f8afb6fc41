"""The process graph of a task as plain data, read by the launch files and by ``kovis servo``."""

from kovis_ros.bringup.arguments import ARGUMENTS, Argument, refuse_misspelt, settle
from kovis_ros.bringup.graph import Process, graph

__all__ = ["ARGUMENTS", "Argument", "Process", "graph", "refuse_misspelt", "settle"]
