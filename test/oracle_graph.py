"""``kovis`` with the truth in place of the servo's network: tries the graph where there are no weights.

python oracle_graph.py CHECKPOINT servo pick_mug --trials 2 ...: the checkpoint, of any weights, is the keypoint node's.
"""

import sys
from dataclasses import replace
from pathlib import Path

from kovis_ros import bringup
from kovis_ros.cli.main import main

ORACLE = str(Path(__file__).with_name("oracle_servo.py"))
shipped_graph = bringup.graph


def graph(given):
    """The graph with another program for the servo."""
    processes = shipped_graph({**given, "checkpoint": sys.argv[1]})
    return [replace(p, command=("python3", ORACLE)) if p.name == "servo" else p for p in processes]


if __name__ == "__main__":
    bringup.graph = graph
    sys.exit(main(sys.argv[2:]))
