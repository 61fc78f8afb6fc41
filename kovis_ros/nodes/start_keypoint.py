"""Executable ``keypoint``: the node's libraries load where one that is missing is told in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kovis_ros.nodes import scheduling, spin

if TYPE_CHECKING:
    from kovis_ros.nodes.keypoint import KeypointNode


def make() -> KeypointNode:
    """The node; ModuleNotFoundError names what is not installed."""
    from kovis_ros.nodes.keypoint import KeypointNode

    return KeypointNode()


def main() -> None:
    """Run it."""
    scheduling.give_way()
    sys.exit(spin.main(make))


if __name__ == "__main__":
    main()
