"""Pictures of a task before anything is recorded."""

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_sim import preview  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402


def test_a_start_is_framed_when_its_way_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-way, where neither the start nor the goal touches anything."""
    scene = Scene(load_task("insert_shaft"))

    def between(world_T_tcp: np.ndarray) -> bool:
        left_m = geometry.norm(geometry.log(geometry.inverse(scene.world_T_goal) @ world_T_tcp)[:3])
        return 0.3 < left_m / scene.task.rollout.start_distance_m[1] < 0.7

    for blocked, framed in ((lambda pose: False, False), (between, True)):
        monkeypatch.setattr(scene, "free", lambda pose, blocked=blocked: not blocked(pose))
        assert bool(np.all(preview.starts(scene) == (0, 0, 255), axis=-1).any()) == framed
    scene.close()
