"""What came of trials of the graph: the same words mean the same as in `kovis evaluate`."""

import pytest

pytest.importorskip("rclpy")

from kovis_ros import trial_summary  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.nodes.trials import TrialResult  # noqa: E402

GOOD = TrialResult(
    seed=7, start_m=0.03, start_rad=0.1, final_m=0.001, final_rad=0.01, tilt_rad=0.0, seconds=4.0, converged=True,
    touched=False, completed=True, message="", images=100, history=(), frames=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "aligned", "false"),
    [
        ({}, 1.0, 0.0),
        ({"touched": True}, 0.0, 1.0),
        ({"final_m": 0.0041}, 0.0, 1.0),
        ({"final_rad": 0.08}, 0.0, 1.0),
        ({"converged": False, "final_m": 0.02}, 0.0, 0.0),
    ],
)
def test_aligned_is_converged_within_the_tolerances_untouched(changed, aligned, false):
    summary = trial_summary.summarise(load_task("pick_mug"), [GOOD._replace(**changed)])
    assert summary["aligned_rate"] == aligned and summary["false_converged_rate"] == false


def test_a_mug_that_hangs_is_a_success_wherever_the_servo_stopped():
    task = load_task("pick_mug")
    off = GOOD._replace(final_m=0.006)
    summary = trial_summary.summarise(task, [off, off._replace(completed=False), off._replace(converged=False)])
    assert summary["successes"] == 1 and summary["rows"][0]["touched"] is False
