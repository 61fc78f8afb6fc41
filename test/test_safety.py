"""Safety, proven by breaking things in the real graph, and measured at the controller: see docs/safety.md.

``pytest test/test_safety.py --write-safety`` writes what was measured into docs/safety.md.
"""

from __future__ import annotations

import math
import signal
import time

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("rtde_control", reason="needs ur_rtde: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

import fault_rig  # noqa: E402
from ur_cell import busy  # noqa: E402

from kovis_msgs.action import Servo  # noqa: E402
from kovis_ros.breaking import Measured  # noqa: E402
from kovis_ros.method.loop import State  # noqa: E402
from kovis_ros.nodes.trials import TrialError  # noqa: E402
from kovis_sim.breaker import FAULTS, STALE_S, STANDSTILL_S, ZERO_S, Fault  # noqa: E402

pytestmark = pytest.mark.ros
BY_NAME = {fault.name: fault for fault in FAULTS}
CODES = {  # the goal's result, which nobody cancels, where the servo survives to give one
    "image": Servo.Result.STALE_IMAGE,
    "watchdog": Servo.Result.ROBOT_NOT_READY,
    "": Servo.Result.ROBOT_NOT_READY,
}
SEED = 2
TRIES = 3
MOVING_MPS = 0.012  # at least, when a fault strikes; the servo's top speed is 0.020
LIFTING_MPS = 0.03  # above the servo's top speed: only the completion motion is so fast


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    with fault_rig.running(tmp_path_factory.mktemp("safety")) as rig:
        yield rig


@pytest.fixture
def proven(graph, safety_rows):
    """Run an experiment and check it against the limits; then its row goes into docs/safety.md.

    Where the machine is busy with other work, the figures are those of that work: the experiment is repeated then, as
    long as the arm stopped, if late. One that did not stop, or moved once more, is no affair of the machine's.
    """

    def prove(experiment, fault):
        for attempt in range(TRIES):
            measured = experiment()
            if in_time(measured):
                break
            assert only_late(measured) and busy() and attempt < TRIES - 1, measured
        assert measured.watched_s > 1.9, measured
        assert graph.rests(), f"after {fault.name} was mended the arm moved without a new goal"
        safety_rows.append((measured, fault))

    return prove


def in_time(measured):
    return measured.late_s <= ZERO_S and measured.still_s <= STANDSTILL_S


def only_late(measured):
    return math.isfinite(measured.zero_s) and not measured.again


def test_what_is_told_is_judged_and_only_a_late_stop_may_be_repeated():
    good = Measured("a fault", 0.1, 0.0, 0.0, 2.0)
    late, never = good._replace(zero_s=0.5, late_s=0.4), good._replace(zero_s=math.inf, late_s=math.inf)
    assert in_time(good) and not in_time(late) and only_late(late)
    assert not in_time(never) and not only_late(never) and not only_late(late._replace(again=True))
    assert not any(in_time(good._replace(still_s=still)) for still in (0.301, math.nan, math.inf))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_leaves_the_arm_at_rest(graph, proven, fault):
    def experiment():
        handle = graph.under_way(SEED, speed_mps=MOVING_MPS)
        measured = graph.stop_at(fault, watch_s=2.0)
        if fault.what not in ("servo", "*"):
            result = graph.client.result(handle)
            assert not result.success and result.error_code == CODES[fault.stale], result
        graph.breaker.heal(fault)
        return measured

    proven(experiment, fault)


@pytest.mark.parametrize(("node", "stale"), [("keypoint", "image"), ("servo", "image")])
def test_a_network_that_gives_no_numbers(graph, proven, node, stale):
    fault = Fault(f"network of {node} gives NaN", "network", node, stale)

    def experiment():
        handle = graph.under_way(SEED, speed_mps=MOVING_MPS)
        moment = graph.break_network(node)
        since = graph.last_good_s(moment) if node == "keypoint" else moment
        measured = graph.measure(fault.name, since, STALE_S[stale])
        graph.break_network("none")
        assert graph.ended(handle).error_code in (Servo.Result.STALE_IMAGE, Servo.Result.CANCELLED)
        return measured

    proven(experiment, fault)


def test_a_network_that_is_not_sure(graph, proven):
    """The target is lost: the loop halts, and a goal that stays halted is ended."""
    fault = Fault("keypoints without confidence", "network", "faint")

    def experiment():
        handle = graph.under_way(SEED, speed_mps=MOVING_MPS)
        measured = graph.measure(fault.name, graph.lose_confidence())
        assert graph.client.result(handle).error_code == Servo.Result.LOST_TARGET
        graph.break_network("none")
        return measured

    proven(experiment, fault)


def cancelled(graph, fault, handle):
    """Cancel a goal that is under way, and measure."""
    moment = time.monotonic()
    handle.cancel_goal_async()
    measured = graph.measure(fault.name, moment)
    assert graph.client.result(handle).error_code == Servo.Result.CANCELLED
    return measured


def test_a_cancelled_goal(graph, proven):
    fault = Fault("action cancelled", "client", "")

    def experiment():
        return cancelled(graph, fault, graph.under_way(SEED, speed_mps=MOVING_MPS))

    proven(experiment, fault)


def test_the_stop_service_ends_the_goal(graph, proven):
    """The halted goal sends zeros, which the arm's node takes for the pause that it asks for."""
    fault = Fault("service arm/stop", "client", "")

    def experiment():
        handle = graph.under_way(SEED, speed_mps=MOVING_MPS)
        measured = graph.measure(fault.name, graph.stop_arm())
        result = graph.client.result(handle)
        assert result.error_code == Servo.Result.ROBOT_NOT_READY and "service arm/stop" in result.error_msg, result
        return measured

    proven(experiment, fault)


def test_a_second_goal_is_refused_and_the_first_goes_on(graph, proven):
    fault = Fault("second goal (refused), then the first cancelled", "client", "")

    def experiment():
        handle = graph.under_way(SEED, speed_mps=MOVING_MPS)
        second = graph.client.offer(Servo.Goal(task="pick_mug"))
        assert not second.accepted
        graph.client.until(lambda: graph.channel.speed() > 0.0, 5.0, "motion of the first goal")
        return cancelled(graph, fault, handle)

    proven(experiment, fault)


def lifting(graph):
    """A goal whose arm lifts; tried again, since a servo may stop before it."""
    client = graph.client
    for attempt in range(TRIES):
        handle = graph.under_way(SEED, complete=True)
        try:
            client.until(lambda: client.state == State.COMPLETING, 20.0, "completion motion")
            client.until(lambda: graph.channel.speed() > LIFTING_MPS, 10.0, "lift")
            break
        except TrialError:
            if attempt == TRIES - 1:
                raise
            handle.cancel_goal_async()
            client.result(handle)
    return handle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "stale"), [("protective stop", ""), ("servo killed", "owner"), ("link cut", "watchdog")]
)
def test_a_fault_during_completion(graph, proven, name, stale):
    fault = BY_NAME[name]._replace(name=f"{name} during completion", stale=stale)

    def experiment():
        handle, client = lifting(graph), graph.client
        measured = graph.stop_at(fault, watch_s=2.0)
        graph.breaker.heal(fault)
        if fault.what != "servo":
            assert client.result(handle).error_code == Servo.Result.COMPLETION_FAILED
        return measured

    proven(experiment, fault)


@pytest.mark.slow
def test_an_arm_whose_node_died_in_a_protective_stop_is_freed(graph):
    """Its node does not start until somebody frees the arm: seen where it pushed too hard just as the link was lost."""
    graph.mend()
    graph.channel.ask("protective_stop")
    graph.signal_to(("ur5",), signal.SIGKILL)
    begun = time.monotonic()
    graph.mend()
    assert graph.channel.ask("state")["safety_mode"] == "NORMAL" and time.monotonic() - begun < 15.0


def test_interrupting_the_whole_graph(graph, proven):
    fault = Fault("Ctrl-C on the whole graph", "client", "")

    def experiment():
        graph.under_way(SEED, speed_mps=MOVING_MPS)
        return graph.measure(fault.name, graph.interrupt())

    proven(experiment, fault)
    graph.mend()  # all of them were started again: that they ended by themselves is told by their logs
    for child in graph.supervisor.children:
        assert "Traceback" not in child.log.read_text(), child.tail()
