"""Nodes refuse weights whose motion means something else than the task's, before they have a topic."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import small

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

from rclpy.parameter import Parameter  # noqa: E402

from kovis_ros.method import checkpoint  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_ros.method.policy import CheckpointError  # noqa: E402
from kovis_ros.nodes.keypoint import KeypointNode  # noqa: E402
from kovis_ros.nodes.servo import ServoNode  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("kind", [KeypointNode, ServoNode])
@pytest.mark.parametrize("change", [{"axes": ("x", "y", "z", "rx")}, {"tcp_offset_m": 0.1}])
def test_weights_of_other_settings_are_refused(
    kind: type, change: dict[str, object], ros_context: object, tmp_path: Path
) -> None:
    task = dataclasses.replace(small.task(), **change)
    checkpoint.save(tmp_path / "other.safetensors", task, Network(task))
    overrides = [Parameter("checkpoint", value=str(tmp_path / "other.safetensors"))]
    with pytest.raises(CheckpointError, match=rf"other settings of 'pick_mug' \({next(iter(change))} .* -> .*\): give"):
        kind(context=ros_context, parameter_overrides=overrides)
