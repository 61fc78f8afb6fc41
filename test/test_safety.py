"""Safety, proven by breaking things in the real graph, and measured at the controller: see docs/safety.md.

``pytest test/test_safety.py --write-safety`` writes what was measured into docs/safety.md.
"""

from __future__ import annotations

import math
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("rtde_control", reason="needs ur_rtde: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from fault_rig import BY_NAME, Graph, interrupt  # noqa: E402

from kovis_ros.method.loop import State  # noqa: E402
from kovis_sim.breaker import STALE_S, STANDSTILL_S, ZERO_S  # noqa: E402

pytestmark = pytest.mark.ros
TOP_MPS = 0.021  # servo.top_speed_mps and what rounding adds
MESSAGES = {  # what the result of the goal says to a person
    "image": "no usable keypoints|images are too old",
    "link cut": "no tcp_pose|no arm_status|arm",
    "protective stop": "protective stop",
    "pendant stop": "control program does not run",
    "speed slider to 0": "speed slider is at 0",
}
PROCESSES_LAST = sorted(BY_NAME.values(), key=lambda fault: fault.means == "kill")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    with pytest.MonkeyPatch.context():
        running = Graph(tmp_path_factory.mktemp("safety"))
    yield running
    running.close()


@pytest.fixture
def stops(safety_rows):
    """Check a measurement against the limits and keep it for docs/safety.md."""

    def check(measured, stale_s):
        safety_rows.append((measured, stale_s))
        assert measured.late_s <= ZERO_S, measured
        assert math.isnan(measured.still_s) or measured.still_s <= STANDSTILL_S, measured
        assert measured.watched_s > 2.0, measured

    return check


@pytest.mark.parametrize("fault", PROCESSES_LAST, ids=lambda fault: fault.name)
def test_a_fault_leaves_the_arm_at_rest(graph, stops, fault):
    handle = graph.under_way()
    moment = graph.breaker.inject(fault)
    stale = STALE_S[fault.stale]
    if fault.stale == "image":
        graph.client.pause(0.5)
        stale += max(0.0, graph.client.last_good_s(moment) - moment)
    measured = graph.measure(fault.name, moment, stale)
    stops(measured, stale)
    if fault.what not in ("servo", "*"):
        result = graph.ended(handle)
        assert not result.success, result
    graph.breaker.heal(fault)
