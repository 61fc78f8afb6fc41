"""Executable ``servo``: the node's libraries load where one that is missing is told in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kovis_ros.nodes import spin

if TYPE_CHECKING:
    from kovis_ros.nodes.servo import ServoNode


def make() -> ServoNode:
    """The node; ModuleNotFoundError names what is not installed."""
    from kovis_ros.nodes.servo import ServoNode

    return ServoNode()


def main() -> None:
    """Run it."""
    sys.exit(spin.main(make))


if __name__ == "__main__":
    main()
