"""Executable ``sim``: the node's libraries load where one that is missing is told in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kovis_ros.nodes import scheduling, spin

if TYPE_CHECKING:
    from kovis_sim.sim_node import SimNode


def main() -> None:
    """Run the node; in its recording mode record once it has ended."""
    scheduling.give_way()
    made: list[SimNode] = []

    def make() -> SimNode:
        from kovis_sim.sim_node import SimNode

        made.append(SimNode())
        return made[0]

    code = spin.main(make)
    if code == 0 and made and made[0].exit_code is not None:
        code = record(made[0])
    sys.exit(code)


def record(node: SimNode) -> int:
    """Exit code of the recording that the node's parameters ask for."""
    from kovis_sim import sim_node

    try:
        return sim_node.record(node.settings)
    except KeyboardInterrupt:
        print("recording interrupted: start it again to go on", file=sys.stderr)
        return 130
    except Exception as error:
        return spin.explain(error)


if __name__ == "__main__":
    main()
