"""Closed-loop evaluation: a trial's camera, any number of processes, errors, and the score that training asks for."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from oracle import Oracle

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from kovis_ros.cli import train as command  # noqa: E402
from kovis_ros.method import checkpoint, geometry  # noqa: E402
from kovis_ros.method.config import Task, load_task  # noqa: E402
from kovis_ros.method.networks import Network  # noqa: E402
from kovis_ros.method.policy import ServoPolicy  # noqa: E402
from kovis_sim import camera, evaluate  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402


@pytest.fixture(scope="module")
def task() -> Task:
    """Small networks, and trials that end after half a second."""
    plain = small.task(score_trials=1)
    return dataclasses.replace(plain, servo=dataclasses.replace(plain.servo, timeout_s=0.5))


@pytest.fixture(scope="module")
def weights(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    checkpoint.save(path, task, Network(task))
    return path


def test_the_mount_is_wrong_by_up_to_10_mm_and_5_deg() -> None:
    """On each axis; 200 draws nearly reach the limits of all six."""
    config, rng = load_task("pick_mug").camera, np.random.default_rng(0)
    exact = geometry.inverse(camera.nominal(config).tool0_T_centre)
    errors = np.array([geometry.log(exact @ camera.draw(config, rng).tool0_T_centre) for _ in range(200)])
    largest = np.abs(errors).max(0)
    assert (largest[:3] <= 0.010 + 1e-9).all() and (largest[:3] > 0.009).all()
    assert (largest[3:] <= np.radians(5.0) + 1e-9).all() and (largest[3:] > np.radians(4.5)).all()


class Watching(Oracle):
    """Notes the camera with which each pair of a trial is taken."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.cameras: list[tuple[float, ...]] = []

    def keypoints(self, left: object, right: object, K: np.ndarray) -> None:
        mount = self.scene.camera.tool0_T_centre
        self.cameras.append((*mount.ravel(), *np.ravel(K), self.scene.camera.baseline_m))


def test_the_mount_stays_as_it_is_within_a_trial_and_differs_between_trials(task: Task) -> None:
    scene = Scene(task, split="test")
    seen = []
    for seed in (3, 4):
        policy = Watching(scene)
        evaluate.run_trial(scene, policy, seed, complete=False)
        assert len(policy.cameras) >= 8 and len(set(policy.cameras)) == 1
        seen.append(policy.cameras[0])
    assert seen[0] != seen[1]
    scene.close()


def test_two_processes_give_the_trials_of_one(task: Task, weights: Path) -> None:
    load = partial(ServoPolicy.load, weights)
    alone, shared = (evaluate.evaluate(task, load, 2, 70, workers=n, complete=False) for n in (1, 2))
    assert [trial.seed for trial in shared] == [70, 71]
    for one, other in zip(alone, shared, strict=True):
        assert one._replace(errors=None) == other._replace(errors=None) and one.steps > 5
        np.testing.assert_array_equal(one.errors, other.errors)


def failing(notes: Path) -> ServoPolicy:
    """A policy that cannot be loaded; every try leaves a line."""
    with notes.open("a") as file:
        file.write("tried\n")
    time.sleep(0.3)
    raise ValueError("no policy")


def test_an_error_is_told_without_the_trials_in_the_queue(task: Task, tmp_path: Path) -> None:
    """In real processes; what is under way, or in a process's hands already, goes to its end."""
    with pytest.raises(ValueError, match="no policy"):
        evaluate.evaluate(task, partial(failing, tmp_path / "notes"), 30, workers=2)
    assert len((tmp_path / "notes").read_text().splitlines()) < 15


def test_training_is_scored_on_seeds_and_looks_of_its_own(
    task: Task, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trial, really run: seeds are neither those of roll-outs nor of evaluation, looks are those of training."""
    asked: list[tuple[int, int, str]] = []
    found: list[evaluate.Trial] = []

    def spy(task: Task, load: object, trials: int, seed: int, split: str) -> list[evaluate.Trial]:
        asked.append((trials, seed, split))
        found.extend(whole(task, load, trials, seed, split, workers=1))
        return found

    whole = evaluate.evaluate
    monkeypatch.setattr(evaluate, "evaluate", spy)
    score = command.scorer(task, tmp_path)(ServoPolicy.load(weights))
    assert asked == [(1, 500_000, "train")] and [trial.seed for trial in found] == [500_000]
    assert score == (float(found[0].success), found[0].final_m, found[0].final_rad)
    assert not list(tmp_path.iterdir())
