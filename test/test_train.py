"""The training loop: it learns, resumes exactly after kill -9, keeps the best, refuses what does not fit."""

import csv
import dataclasses
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import small
import synthetic
import torch

from kovis_ros.method import checkpoint, pictures, train
from kovis_ros.method.checkpoint import CheckpointError
from kovis_ros.method.config import LossConfig
from kovis_ros.method.dataset import Cache, build_cache
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.method.score import told
from kovis_ros.method.train import TrainError

KILLED = """
import os, sys
sys.path[:0] = [{root!r}, {test!r}]
import small, torch
from kovis_ros.method import train, training_run
from kovis_ros.method.dataset import Cache
torch.set_num_threads(1)
training_run.SAVE_EVERY = 3
count = 0
def kill(network, batch, rng):
    global count
    count += 1
    if count == 12:
        os.kill(os.getpid(), 9)
    return batch
train.train(small.task(), Cache.open({cache!r}), {out!r}, "cpu", perturb=kill, precision="32-true", progress_bar=False)
"""


class Score(NamedTuple):
    success: float
    position_m: float
    rotation_rad: float


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    torch.set_num_threads(1)
    return build_cache(synthetic.samples(80), tmp_path_factory.mktemp("data") / "cache")


def run(cache: Cache, out: Path, **settings: object) -> Path:
    """A short run in fp32 without a progress bar."""
    options: dict[str, object] = {"precision": "32-true", "progress_bar": False, "say": lambda line: None, **settings}
    task = options.pop("task", small.task())
    return train.train(task, cache, out, "cpu", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    run(cache, out)
    return out


def test_a_run_leaves_checkpoints_curves_and_pictures(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {
        "best.safetensors",
        "last.safetensors",
        "metrics.csv",
        "curves.png",
        "epoch_001.png",
        "epoch_002.png",
        "run.json",
        "state.pt",
    } == names
    rows = list(csv.DictReader((finished / "metrics.csv").open()))
    assert [float(row["epoch"]) for row in rows] == [1.0, 2.0]
    assert float(rows[1]["train_total"]) < float(rows[0]["train_total"])


def test_the_curves_show_every_loss_term(finished: Path) -> None:
    with (finished / "metrics.csv").open() as file:
        history = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert pictures.terms(history)[:2] == ["total", "speed_excess"]
    assert set(pictures.terms(history)) == {*weights(small.task().training.loss), "total", "speed_excess"}


def weights(config: LossConfig) -> set[str]:
    """Names of the terms of Eq. 8, each of which has a weight."""
    return {field.name for field in dataclasses.fields(config)} - {"gamma", "hardest"}


def test_an_epoch_warns_of_keypoints_on_the_background() -> None:
    names = ("total", "direction", "speed_excess", "near_position_m", "near_rotation_rad", "dead", "jitter")
    row = {"epoch": 1.0, "samples_per_s": 70.0, "data_share": 0.0, "augment_share": 0.2, "train_total": 1.0}
    row |= {f"validation_{name}": 0.0 for name in names}
    fair, poor = (train.report(row | {"validation_background_share": share}) for share in (0.05, 0.051))
    assert "background 5.0%" in fair and "WARNING" not in fair
    assert "background 5.1%" in poor and poor.endswith("train longer or raise training.loss.background")


def test_a_killed_run_resumes_to_the_very_same_weights(cache: Cache, finished: Path, tmp_path: Path) -> None:
    here = Path(__file__).resolve()
    script = KILLED.format(
        root=str(here.parents[1]), test=str(here.parent), cache=str(cache.path), out=str(tmp_path / "run")
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert killed.returncode == -9, killed.stderr.decode()[-2000:]
    lines: list[str] = []
    best = run(cache, tmp_path / "run", say=lines.append)
    assert "resumed at step 9 of 16" in lines
    whole = checkpoint.load(finished / "last.safetensors").network.state_dict()
    for name, value in checkpoint.load(best.with_name("last.safetensors")).network.state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_a_score_has_no_rotation_where_none_is_commanded() -> None:
    score = Score(0.975, 0.00136, 0.0)
    assert told(score, ("x", "y", "z")) == "closed loop: success 97.5%, median 1.36 mm n/a"
    assert told(score, ("x", "y", "z", "rz")).endswith("1.36 mm 0.00 deg")


@pytest.mark.slow
def test_minutes_from_the_bag_go_on_where_a_run_stopped(cache: Cache, tmp_path: Path) -> None:
    """Cache, steps and scores; a state of an older version does not know them, and then nothing is told."""
    out, calls = tmp_path / "run", 0

    def stop(network: object, batch: object, rng: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 10:  # in the second of two epochs of 8 steps
            raise KeyboardInterrupt
        return batch

    def score(policy: ServoPolicy) -> Score:
        time.sleep(0.6)
        return Score(1.0, 0.001, 0.01)

    with pytest.raises(KeyboardInterrupt):
        run(cache, out, perturb=stop)
    state = torch.load(out / "state.pt", weights_only=True)
    assert 0.0 < cache.seconds < state["elapsed_s"] < 60.0
    torch.save({**state, "elapsed_s": 600.0}, out / "state.pt")
    before = time.perf_counter()
    run(cache, out, score=score)
    spent = (time.perf_counter() - before) / 60.0
    first, second = csv.DictReader((out / "metrics.csv").open())
    assert float(first["minutes"]) < 1.0 and 10.01 < float(second["minutes"]) <= 10.0 + spent
    assert float(checkpoint.load(out / "last.safetensors").about["minutes"]) > 10.0
    del state["elapsed_s"]
    torch.save(state, out / "state.pt")
    run(cache, out)
    assert list(csv.DictReader((out / "metrics.csv").open()))[1]["minutes"] == ""


def test_another_config_is_refused(cache: Cache, finished: Path) -> None:
    other = small.task(learning_rate=1e-5)
    with pytest.raises(TrainError, match=r"other settings \(task.training.learning_rate 0.002 -> 1e-05\): give"):
        run(cache, finished, task=other)
    with pytest.raises(TrainError, match="seed 0 -> 1"):
        run(cache, finished, seed=1)


def test_the_best_by_closed_loop_is_kept(cache: Cache, tmp_path: Path) -> None:
    results = iter([Score(0.5, 0.002, 0.02), Score(0.9, 0.002, 0.02), Score(0.9, 0.003, 0.02)])
    seen: list[ServoPolicy] = []

    def score(policy: ServoPolicy) -> Score:
        seen.append(policy)
        return next(results)

    best = run(cache, tmp_path / "run", task=small.task(epochs=3, score_every=1), score=score)
    assert len(seen) == 3
    assert float(checkpoint.load(best).about["epoch"]) == 2.0
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert [float(row["score_success"]) for row in rows] == [0.5, 0.9, 0.9]  # the last one too


def test_a_task_with_other_axes_is_refused(cache: Cache, tmp_path: Path) -> None:
    task = dataclasses.replace(small.task(), axes=("x", "y", "z"))
    with pytest.raises(TrainError, match="4 axes, task 'pick_mug' has 3"):
        run(cache, tmp_path / "run", task=task)


def test_unknown_device_is_refused() -> None:
    with pytest.raises(TrainError, match="device 'tpu' is unknown: choose auto, cpu or cuda"):
        train.pick_device("tpu")


def test_a_diverging_loss_ends_the_run(cache: Cache, tmp_path: Path) -> None:
    def spoil(network: object, batch: object, rng: object) -> object:
        return batch._replace(images=batch.images * float("nan"))  # type: ignore[attr-defined]

    with pytest.raises(TrainError, match="loss is nan at step 0: lower training.learning_rate"):
        run(cache, tmp_path / "run", perturb=spoil)


def test_a_perturbed_batch_is_made_in_the_precision_of_the_step(cache: Cache, tmp_path: Path) -> None:
    seen: set[bool] = set()

    def note(network: object, batch: object, rng: object) -> object:
        seen.add(torch.is_autocast_enabled("cpu"))
        return batch

    run(cache, tmp_path / "run", perturb=note, precision="bf16-mixed", task=small.task(epochs=1))
    assert seen == {True}


def test_the_next_step_is_fetched_during_a_step(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, learned = [], []
    monkeypatch.setattr(Cache, "announce", lambda self, index: fetched.append(index.tolist()))
    raw = Cache.raw

    def note(self: Cache, index: np.ndarray, *device: object) -> object:
        learned.append(index.tolist())
        return raw(self, index, *device)  # type: ignore[arg-type]

    monkeypatch.setattr(Cache, "raw", note)
    run(cache, tmp_path / "run", task=small.task(epochs=1, finish_samples=0))
    assert len(fetched) == 8 and fetched[:7] == learned[1:8]


def test_a_run_can_start_from_a_checkpoint(cache: Cache, finished: Path, tmp_path: Path) -> None:
    start = finished / "last.safetensors"
    frozen = small.task(epochs=1, learning_rate=1e-30)  # less than any weight can tell
    best = run(cache, tmp_path / "run", task=frozen, start=start)
    expected = checkpoint.load(start).network.state_dict()["encoder.head.weight"]
    assert torch.equal(checkpoint.load(best).network.state_dict()["encoder.head.weight"], expected)
    another = run(cache, tmp_path / "another", task=dataclasses.replace(frozen, name="another"), start=start)
    before, after = (checkpoint.load(path).network.state_dict() for path in (start, another))
    assert torch.equal(after["encoder.head.weight"], before["encoder.head.weight"])
    own = [name for name in before if name.startswith("servo.") and name.endswith("weight")]
    assert own and not any(torch.equal(after[name], before[name]) for name in own)
    other = dataclasses.replace(frozen, model=dataclasses.replace(frozen.model, keypoints=5))
    with pytest.raises(CheckpointError, match="networks of other sizes: give one"):
        run(cache, tmp_path / "other", task=other, start=start)
