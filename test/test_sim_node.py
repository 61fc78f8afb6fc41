"""The sim node without a graph around it: trials that can and cannot be set up, and its recording mode."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")
pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

import rclpy  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from kovis_msgs.srv import SimReset  # noqa: E402
from kovis_ros import bags  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_sim import rollouts, sim_node  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402
from kovis_sim.shared_state import ArmState, SharedState  # noqa: E402

pytestmark = pytest.mark.ros
FAR = """
name: far
target: {mesh: mug/mug.obj, collision: mug/piece_*.obj, position_range_m: [[2.0, 2.1], [0.0, 0.1]]}
completion: [{move_m: [0.0, 0.0, -0.09]}]
"""


class Controller:
    """Owns the shared state and carries out resets, as the arm's controller does."""

    def __init__(self, name: str) -> None:
        self.state, self.ends = SharedState.create(name), threading.Event()
        self.q, self.done = (0.0,) * 6, 0
        self._write()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def _write(self) -> None:
        self.state.write_arm(ArmState(self.q, (0.0,) * 6, 0.085, 0.085, time.monotonic(), 1, self.done))

    def run(self) -> None:
        while not self.ends.wait(0.002):
            cell = self.state.read_cell()
            if cell.reset > self.done:
                self.q, self.done = cell.reset_q, cell.reset
                self._write()

    def close(self) -> None:
        self.ends.set()
        self.thread.join()
        self.state.close()


@pytest.fixture
def node(ros_context):
    """A sim node of its own cell."""
    name = f"test-sim-{os.getpid()}"
    controller = Controller(name)
    overrides = [Parameter("state", value=name), Parameter("seed", value=3)]
    made = sim_node.SimNode(context=ros_context, parameter_overrides=overrides)
    made.controller = controller
    yield made
    made.stop()
    made.destroy_node()
    controller.close()


def test_a_trial_that_cannot_be_set_up_is_refused_and_the_cell_goes_on(node, tmp_path):
    """One line each; the scene that stands stays, and no arm was moved."""
    far, scene = tmp_path / "far.yaml", node.scene
    far.write_text(FAR)
    before = node.controller.done
    cases = [
        (SimReset.Request(seed=-1), "seed -1 is negative: give 0 or more"),
        (SimReset.Request(seed=1, task="make_tea"), "task 'make_tea' is unknown: choose from"),
        (SimReset.Request(seed=1, task=str(far)), "keep the wrist within"),
    ]
    for request, text in cases:
        answer = node.on_reset(request, SimReset.Response())
        assert not answer.success and text in answer.message and len(answer.message.splitlines()) == 1
    assert node.scene is scene and node.controller.done == before
    answer = node.on_reset(SimReset.Request(seed=5), SimReset.Response())
    assert answer.success and "mm and" in answer.message and node.trial.seed == 5
    assert node.controller.q == pytest.approx(node.scene.q) and rclpy.ok(context=node.context)


def test_another_trial_may_be_with_another_mug(node):
    """The cell that follows the arm has the member that the camera sees."""
    drawn = set()
    for seed in (1, 2, 3):
        assert node.on_reset(SimReset.Request(seed=seed, task="pick_mugs"), SimReset.Response()).success
        scene = node.scene
        drawn.add(scene.member)
        scene.follow(scene.q, scene.opening_m, 0.02)
        assert scene.cell._solid == scene.member.pieces and scene._stage._mesh == scene.member.mesh
        assert scene.cell.contact_force() == 0.0 and abs(scene.world_T_target[2, 3]) < 1e-3
    assert len(drawn) > 1


def test_the_contact_of_a_tick_goes_back_to_the_controller(node):
    node.trial = SimpleNamespace(advance=lambda arm, seconds: None, force_n=12.5, blocked_opening_m=0.031)
    for _ in range(2):  # the first one only takes the time
        node.tick()
    cell = node.controller.state.read_cell()
    assert (cell.force_n, cell.blocked_opening_m) == (12.5, 0.031)


def test_the_camera_has_a_sensor_also_in_another_task(node):
    """Of a cell that stands still each image has noise of its own."""
    for task in ("pick_mug", "insert_shaft"):
        assert node.on_reset(SimReset.Request(seed=1, task=task), SimReset.Response()).success
        first, second = node.scene.stereo()[0], node.scene.stereo()[0]
        assert not np.array_equal(first, second)


def test_recording_mode_gives_the_messages_of_the_command(tmp_path, monkeypatch):
    """What record.launch.py starts."""
    monkeypatch.setattr(sim_node.signal, "signal", lambda *_: signal.SIG_DFL)
    out = tmp_path / "bag"
    assert sim_node.record(SimpleNamespace(task="pick_mug", seed=5, record_rollouts=1, record_out=str(out))) == 0
    scene = Scene(load_task("pick_mug"))
    alone = list(rollouts.rollout(scene, 5, 0))
    scene.close()
    written = list(bags.read_samples(out))
    assert len(written) == len(alone) == 5
    for a, b in zip(written, alone, strict=True):
        assert all(np.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(a, b, strict=True))
