"""``kovis`` with the truth in place of the servo's network: tries the graph where there are no weights.

python oracle_graph.py CHECKPOINT servo pick_mug --trials 2 ...: the checkpoint, of any weights, is the keypoint node's.
Instead of servo, any command that starts the graph: soak, rates.
"""

import sys

from fault_rig import played

from kovis_ros import bringup
from kovis_ros.cli.main import main

shipped_graph = bringup.graph


def graph(given):
    """The graph with the tests' programs for servo and keypoint node."""
    return [played(process) for process in shipped_graph({**given, "checkpoint": sys.argv[1]})]


if __name__ == "__main__":
    bringup.graph = graph
    sys.exit(main(sys.argv[2:]))
