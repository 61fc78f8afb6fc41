"""``backend:=dry_run``: the twist that would be sent is on its topic, and the arm stands."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

import fault_rig  # noqa: E402
import rclpy  # noqa: E402
from geometry_msgs.msg import TwistStamped  # noqa: E402

from kovis_ros import bringup, conversions  # noqa: E402
from kovis_ros.bringup.graph import identity  # noqa: E402
from kovis_ros.bringup.supervisor import Supervisor  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.nodes.fault_trials import FaultTrials  # noqa: E402
from kovis_sim.ur_controller.side_channel import SideChannel  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_a_dry_run_shows_the_twist_and_moves_nothing(tmp_path, ros_domain):
    given = {"backend": "dry_run", "checkpoint": fault_rig.untrained(tmp_path)}
    processes = [fault_rig.played(process) for process in bringup.graph(given)]
    assert [process.name for process in processes] == ["ur_controller", "sim", "keypoint", "servo"]
    channel = SideChannel(identity(bringup.settle(given))[1])
    twists = []
    rclpy.init(domain_id=ros_domain)
    try:
        with Supervisor(processes, tmp_path / "logs") as supervisor:
            supervisor.wait_ready(90.0)
            client = FaultTrials(load_task("pick_mug"), "/kovis", channel.speed, supervisor.check)
            client.create_subscription(TwistStamped, "twist", twists.append, 1)
            client.wait_for_graph()
            client.send(complete=False)
            begun = time.monotonic()
            client.until(lambda: len(twists) > 50 and conversions.twist_from_msg(twists[-1]).any(), 20.0, "twist")
            assert twists[-1].header.frame_id == "tool0"
            stop = channel.stop_after(begun)
            assert (stop.zero_s, stop.top_mps) == (0.0, 0.0)
            client.close()
    finally:
        rclpy.try_shutdown()
