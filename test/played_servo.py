"""The servo node as a process, with the policy of the rig."""

import sys

from servo_rig import PlayedPolicy

from kovis_ros.nodes import spin
from kovis_ros.nodes.servo import ServoNode

if __name__ == "__main__":
    sys.exit(spin.main(lambda: ServoNode(load=PlayedPolicy)))
