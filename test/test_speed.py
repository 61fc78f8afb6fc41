"""Figures of speed: the paper's sizes, and each figure beside its reference."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import small
import synthetic
import torch
import yaml

from kovis_ros.cli import bench, main
from kovis_ros.method import checkpoint, images, speed, train
from kovis_ros.method.adversarial import Adversary
from kovis_ros.method.config import AdversarialConfig, ConfigError
from kovis_ros.method.dataset import build_cache
from kovis_ros.method.networks import Network
from kovis_ros.method.networks.paper import PaperNetwork, PaperSized, sized
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.method.train_error import TrainError
from kovis_ros.method.training_run import Run
from kovis_ros.report import speed as report_speed
from kovis_ros.report.results import Results
from kovis_sim import stand_in


def test_the_reference_has_the_papers_sizes() -> None:
    """About 0.5 M parameters in the encoder and 1 M in all; maps of 32x32, pictures of 64x64 (Section III and IV)."""
    network = PaperNetwork(10, 4)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert 0.5e6 < counts["encoder"] < 0.6e6 and 0.9e6 < sum(counts.values()) < 1.1e6
    output = network(torch.randn(2, 2, 64, 64))
    assert output.maps.shape == (4, 10, 32, 32) and output.keypoints.shape == (2, 2, 10, 3)
    assert output.reconstruction.depth.shape == (4, 64, 64)
    assert output.reconstruction.segmentation.shape == (4, 3, 64, 64) and output.prediction.direction.shape == (2, 4)


@pytest.mark.slow
def test_networks_of_the_papers_sizes_train_and_serve(tmp_path: Path) -> None:
    cache = build_cache(synthetic.samples(10), tmp_path / "cache")
    settings = {"precision": "32-true", "progress_bar": False, "say": lambda line: None}
    ours = small.task(epochs=1, batch=4, finish_samples=4)
    theirs = sized(ours)
    best = train.train(theirs, cache, tmp_path / "theirs", "cpu", kind=PaperSized, **settings)
    network = checkpoint.load(best).network
    assert isinstance(network, PaperSized) and network.encoder.head.weight.shape == (4, 48, 1, 1)
    assert network.train()(torch.randn(2, 2, 64, 64)).reconstruction.depth.shape == (2, 64, 64)  # one eye of each pair
    pair = np.full((2, 128, 128), 100, np.uint8)
    found = ServoPolicy.load(best).keypoints(*pair, images.intrinsics(58.0, 128))
    assert found.left.shape == (4, 3)
    with pytest.raises(TrainError, match="network PaperSized -> None"):
        train.train(theirs, cache, tmp_path / "theirs", "cpu", **settings)
    with pytest.raises(checkpoint.CheckpointError, match="networks of other sizes"):
        Run.start_from(SimpleNamespace(task=ours, network=Network(ours)), best)


def test_training_is_timed_beside_the_reference(tmp_path, monkeypatch) -> None:
    cache = build_cache(synthetic.samples(20), tmp_path / "cache")
    task = small.task(batch=2)
    found = speed.training(task, cache, tmp_path, rounds=3)
    assert found.ours > found.paper > 0.0 and found.attacked < found.ours
    assert 0.0 < found.read_share < 0.5 and 0.0 < found.augment_share < 1.0 - found.read_share


@pytest.mark.parametrize(
    "amx, ratio, met", [(True, 5.9, False), (True, 6.1, True), (False, 1.9, False), (False, 2.1, True)]
)
def test_bars_depend_on_the_processor(amx: bool, ratio: float, met: bool) -> None:
    rows = bench.training(speed.TrainingSpeed(10.0 * ratio, 5.0 * ratio, 10.0, 0.04, 0.2, "bf16-mixed"), 64, amx)
    assert [row.met for row in rows] == [met, True, None, True] and rows[0].ratio == pytest.approx(ratio)
    slow = bench.training(speed.TrainingSpeed(70.0, 30.0, 10.0, 0.06, 0.2, "32-true"), 64, amx)
    assert [row.met for row in slow[1:]] == [False, None, False] and slow[3].ratio == pytest.approx(70.0 / 30.0)


def test_what_attacks_add_is_their_expectation(tmp_path) -> None:
    """Half of the batches; a third each: one pass, 1 to 3 passes, and the segmentation's; here a pass takes 1 s."""
    config = AdversarialConfig(probability=0.5, iterations=(1, 3))
    adversary = Adversary(config, small.task().training.loss, 200.0)
    seconds = iter([1.0, 1.0, 2.0, 3.0, 1.3])
    assert adversary.extra_s(None, None, lambda work: next(seconds)) == pytest.approx(0.5 * (1.0 + 2.0 + 1.3) / 3.0)


def test_recording_is_beside_the_authors_generator_and_its_stand_in(monkeypatch) -> None:
    monkeypatch.setattr("kovis_sim.speed.generation", lambda task, size, rollouts: {128: 46.0, 64: 156.0}[size])
    monkeypatch.setattr("kovis_sim.stand_in.generation", lambda task, size, samples: {128: 23.0, 64: samples}[size])
    large, beside_large, small_, beside_small = bench.generation(small.task(), 10)
    assert large.ratio == pytest.approx(46.0 / 15.6) and large.met is False and "quoted" in large.name
    assert small_.ratio == pytest.approx(10.0) and small_.met is True
    assert beside_large.ratio == pytest.approx(2.0) and beside_large.met is None
    assert beside_small.reference == 50  # as many samples as we record


def test_the_stand_in_draws_and_writes_what_its_description_says(tmp_path) -> None:
    task = small.task()
    world = stand_in.bare(task)
    pictures, K = stand_in.draw(world, task, stand_in.away(0, 1), np.random.default_rng(0))
    for picture in pictures:
        assert {world.number(name) for name in ("target", "table", "right_finger")} <= set(picture.body.ravel())
    stand_in.write(tmp_path, 3, pictures, K, stand_in.away(0, 1))
    world.close()
    kinds = [f"000003_{side}_{what}.png" for side in ("left", "right") for what in ("depth", "image", "segmentation")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003.yaml", *kinds]
    depth = cv2.imread(str(tmp_path / "000003_left_depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (128, 128) and np.allclose(depth * 1e-4, pictures[0].depth, atol=1e-4)
    assert 0.0 < yaml.safe_load((tmp_path / "000003.yaml").read_text())["speed"] < 1.0
    assert not stand_in.away(0, 0).any() and np.abs(stand_in.away(7, 4)).max() <= 4 * 0.017
    assert stand_in.generation(task, 64, 5) > 1.0


def history(folder: Path, scores: list[tuple[float, float]], **more: str) -> Path:
    """Folder of a run whose epochs ended with (success, minutes); the first read its data slowly."""
    folder.mkdir()
    head = {"task": {"name": "pick_mug", "training": {"score_trials": 40, "batch": 64}}, "start": None, **more}
    (folder / "run.json").write_text(json.dumps(head))
    lines = ["minutes,score_success,data_share,step", "9,,0.02,1000"]
    for i, (success, minutes) in enumerate(scores):
        lines.append(f"{minutes},{success},{0.01 if i else 0.2},{1000 * (i + 2)}")
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_run_tells_its_minutes_from_bag_to_servo(tmp_path: Path) -> None:
    good = history(tmp_path / "good", [(0.9, 20.0), (0.95, 40.0), (1.0, 55.0)])
    found = bench.told_by(good, small.task(), None)
    assert found.minutes == 40.0 and found.wait_share == 0.2
    servo, waits = bench.whole_run(found)
    assert (servo.value, servo.reference, servo.met) == (40.0, 60.0, True) and "of 40 trials" in servo.name
    assert waits.met is False
    run = history(tmp_path / "late", [(0.95, 61.0)], start="a/x.safetensors")
    late = bench.whole_run(bench.told_by(run, small.task(), None))
    assert late[0].met is False and "from x.safetensors" in late[0].name
    poor = bench.whole_run(bench.told_by(history(tmp_path / "poor", [(0.9, 20.0)]), small.task(), None))
    assert poor[0].met is False and poor[0].name.endswith("90% reached") and poor[0].value == 20.0


def test_success_stands_beside_that_of_the_papers_sizes(tmp_path: Path) -> None:
    task = small.task()
    ours = bench.told_by(history(tmp_path / "ours", [(1.0, 20.0)]), task, None)
    theirs = bench.told_by(history(tmp_path / "theirs", [(0.8, 50.0)], network="PaperSized"), task, "PaperSized")
    row = bench.success(ours, theirs)
    assert row.ratio == pytest.approx(1.25) and row.met is True and row.name.endswith("128 k and 128 k samples seen")
    assert bench.success(theirs, ours).met is False
    assert bench.success(ours, None).value is None and bench.told_by(None, task, None) is None


def test_a_run_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    run = history(tmp_path / "run", [(1.0, 20.0)])
    other = dataclasses.replace(small.task(), name="other")
    with pytest.raises(ConfigError, match="is of task 'pick_mug', networks ours: give one of `kovis train other`"):
        bench.told_by(run, other, None)
    with pytest.raises(ConfigError, match="give one of `kovis train pick_mug --paper-sizes`"):
        bench.told_by(run, small.task(), "PaperSized")
    (run / "metrics.csv").write_text("score_success,data_share\n1.0,0.02\n")
    with pytest.raises(TrainError, match="does not tell its minutes"):
        bench.told_by(run, small.task(), None)
    with pytest.raises(TrainError, match="nowhere does not tell its minutes"):
        bench.told_by(tmp_path / "nowhere", small.task(), None)


def test_every_figure_is_stored_with_its_reference_and_the_command_as_typed(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("kovis_sim.speed.generation", lambda task, size, rollouts: 200.0)
    monkeypatch.setattr("kovis_sim.stand_in.generation", lambda task, size, samples: 50.0)
    monkeypatch.setattr(bench, "measure", lambda *_: speed.TrainingSpeed(80.0, 50.0, 10.0, 0.01, 0.1, "bf16-mixed"))
    file = tmp_path / "bench.json"
    assert main.main(["bench", "pick_mug", "--image-px", "64", "--rounds", "3", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found["command"] == f"kovis bench pick_mug --image-px 64 --rounds 3 --json {file}"
    said = capsys.readouterr().out
    for row in found["rows"]:
        assert row["name"] in said
        if None not in (row["value"], row["reference"]):
            assert row["ratio"] == pytest.approx(row["value"] / row["reference"])
    results = Results(tmp_path)
    (lines, missing) = (table.rows for table in report_speed.tables(results))
    assert missing == [["", "not run", "", "", "", ""]] and report_speed.commands(results) == [found["command"]]
    assert [line[0] for line in lines] == [row["name"] for row in found["rows"]]
    name = "training 64x64 in bf16-mixed, samples/s; the paper's sizes in eager fp32"
    assert lines[4][:4] == [name, "80", "10", "8.00"]
    assert {name for name in found if name.endswith("_sha256")} == {"task_sha256", "scene_sha256", "code_sha256"}
    for now, mark in (({name: found[name] for name in found}, ""), ({"code_sha256": "other"}, " †")):
        today = Results(tmp_path, present=lambda servo, study, now=now: now)
        assert report_speed.tables(today)[0].rows[4][1:4] == [f"80{mark}", "10", f"8.00{mark}"]
        assert report_speed.stale(today, "bench") == ("code" if mark else "")
    rows = report_speed.records(Results(tmp_path, present=lambda servo, study: {"code_sha256": "other"}))
    assert len(rows) == len(found["rows"]) and {row["stale"] for row in rows} == {"code"}
    assert rows[4]["value"] == 80.0 and rows[4]["command"] == "bench" and rows[4]["task"] == "pick_mug"
    assert report_speed.stale(Results(tmp_path, present=lambda servo, study: {"code_sha256": "other"}), "rates") == ""
    assert any(line[1] == "not run" and line[0].startswith("bag to 95 %") for line in lines)
