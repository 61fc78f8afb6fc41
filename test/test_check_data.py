"""A recording's report: good roll-outs pass, and each fault of the data misses the limit that is meant for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")
pytest.importorskip("rosbags", reason="needs rosbags: run make setup")

from kovis_ros import bags, contact_sheet  # noqa: E402
from kovis_ros.bags import Recording, Sample  # noqa: E402
from kovis_ros.cli import check_data  # noqa: E402
from kovis_ros.cli.main import main as kovis  # noqa: E402
from kovis_ros.method import data_check, stereo_check  # noqa: E402
from kovis_ros.method.config import Task, from_dict, load_task, to_dict  # noqa: E402
from kovis_sim import rollouts  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402

ROLLOUTS = 20
PITCH = contact_sheet.TILE + contact_sheet.GAP  # pixels from tile to tile


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("pick_mug")


@pytest.fixture(scope="module")
def samples(task: Task) -> list[Sample]:
    scene = Scene(task)
    made = [sample for index in range(ROLLOUTS) for sample in rollouts.rollout(scene, 3, index)]
    scene.close()
    return made


def bag(folder: Path, task: Task, samples: list[Sample]) -> Path:
    """The samples as a bag of two shards."""
    recording = Recording(task.name, 3, "0.1.0", yaml.safe_dump(to_dict(task)))
    bags.begin(folder, recording)
    half = len(samples) // 2 // task.rollout.steps * task.rollout.steps
    for number, part in enumerate((samples[:half], samples[half:])):
        bags.write_shard(bags.shard_path(folder, number), part, task.axes)
    bags.finish(folder, recording)
    return folder


def missed(samples: list[Sample], task: Task) -> set[str]:
    return {check.name for check in data_check.check(samples, task) if not check.ok}


def test_good_rollouts_pass(samples: list[Sample], task: Task) -> None:
    assert not missed(samples, task)


def blind(s: Sample, kind: int) -> Sample:
    """The right eye sees nothing of target (1) or tool (2)."""
    segmentation, keypoints = s.segmentation.copy(), s.keypoints.copy()
    segmentation[1][segmentation[1] == kind] = 0
    count = keypoints.shape[1] // 2
    keypoints[1, (kind - 1) * count : kind * count, 2] = 0.0
    return s._replace(segmentation=segmentation, keypoints=keypoints)


def swapped(s: Sample) -> Sample:
    """The cables of both eyes exchanged."""
    return s._replace(left=s.right, right=s.left)


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (lambda s: blind(s, 1), {"target visible in both eyes", "target's landmarks in both eyes"}),
        (lambda s: blind(s, 2), {"tool visible in both eyes", "tool's landmarks in both eyes"}),
        (lambda s: s._replace(speed=0.5 * s.speed + 0.1), {"labels that fit their displacement"}),
        (lambda s: s._replace(left=np.full_like(s.left, 90)), {"empty images", "duplicate images"}),
        (lambda s: s._replace(right=s.left), {"duplicate images"}),
        (swapped, {"grey values of both eyes"}),
        (lambda s: s._replace(baseline_m=2.0 * s.baseline_m), {"depth fits the disparity"}),
        (
            lambda s: s._replace(keypoints=s.keypoints + np.float32([[[0, 0, 0]], [[0, 1, 0]]])),
            {"rows of landmarks apart"},
        ),
    ],
    ids=["no target", "no tool", "labels", "empty", "one image twice", "swapped", "baseline", "rows"],
)
def test_each_fault_misses_its_limit(
    spoil: Callable[[Sample], Sample], names: set[str], samples: list[Sample], task: Task
) -> None:
    assert names <= missed([spoil(sample) for sample in samples], task)


def test_labels_that_are_out_of_balance_miss_their_limits(samples: list[Sample], task: Task) -> None:
    at_goal = [sample for sample in samples if sample.step == 0]
    assert {"labels at the goal", "labels further than 11.5 mm"} <= missed(at_goal, task)
    away = [sample for sample in samples if sample.step > 0]
    assert "labels at the goal" in missed(away, task)
    one_way = [s for s in samples if s.displacement[0] > 0]
    assert "coverage x: rarer side" in missed(one_way, task)
    still = [s._replace(displacement=s.displacement * np.float32([1, 1, 1, 0.01])) for s in samples]
    assert "coverage rz: reach" in missed(still, task)


def test_a_pixel_lies_where_its_depth_says() -> None:
    """f = 100 px, baseline 50 mm, 0.5 m away: 10 px to the left in the right image."""
    left = np.zeros((64, 64), np.uint8)
    left[20:40, 30:50] = np.arange(20) * 10 + 20
    right = np.roll(left, -10, 1)
    seen = (np.stack([left, right]) > 0).astype(np.uint8)
    depth = np.full((2, 64, 64), 9000, np.uint16)
    depth[seen > 0] = 5000
    K = np.array([[100.0, 0, 31.5], [0, 100.0, 31.5], [0, 0, 1]])
    points = np.float32([[[35, 25, 1]], [[25, 25.25, 1]]])
    sample = Sample(0, 0, 0, left, right, depth, seen, K, 0.050, np.zeros(4), 0.0, np.zeros(4), points)
    assert stereo_check.match(sample) == pytest.approx((1.0, 1.0, 0.25))
    half = stereo_check.match(sample._replace(baseline_m=0.100))  # 20 px: half of the 20 columns fall off the square
    assert half.depth == pytest.approx(0.5)


def test_the_command_reports_shows_and_fails(
    samples: list[Sample], task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = bag(tmp_path / "good", task, samples)
    assert kovis(["check-data", str(good), "--json", str(tmp_path / "good.json")]) == 0
    told = capsys.readouterr().out
    assert "100 samples in 2 shards" in told and "as many messages on every topic; looked into 100 samples" in told
    assert told.splitlines()[-1] == "passed: fit to train on"
    found = json.loads((tmp_path / "good.json").read_text())
    assert found["passed"] and found["looked_at"] == 100 and set(found["messages"].values()) == {100}
    sheet = cv2.imread(str(tmp_path / "good.png"))
    columns = len(contact_sheet.TITLES) * PITCH
    assert sheet.shape == (contact_sheet.HEAD + 8 * PITCH, columns, 3)
    black = [sample._replace(left=np.zeros_like(sample.left)) for sample in samples]
    bad = bag(tmp_path / "bad", task, black)
    assert kovis(["check-data", str(bad), "--samples", "20"]) == 1
    told = capsys.readouterr().out
    assert "looked into 20 samples" in told and "MISSED" in told
    assert "FAILED: empty images, duplicate images, grey values" in told
    assert cv2.imread(str(tmp_path / "bad.png")).shape == (contact_sheet.HEAD, columns, 3)


def test_samples_are_spread_over_the_bag(samples: list[Sample], task: Task, tmp_path: Path) -> None:
    folder = bag(tmp_path / "bag", task, samples)
    assert [s.stamp_ns for s in bags.read_evenly(folder, 1000)] == [s.stamp_ns for s in samples]
    few = list(bags.read_evenly(folder, 20))
    assert [s.rollout for s in few] == [0] * 5 + [5] * 5 + [10] * 5 + [15] * 5


@pytest.mark.parametrize("total", [40, 100, 2000])  # whole roll-outs of five: 2000 * i // 8 is at the goal every time
def test_the_sheet_shows_places_away_from_the_goal(total: int) -> None:
    chosen = check_data.spread(total, 8)
    assert chosen[0] == 0 and chosen[-1] == total - 1 and chosen == sorted(set(chosen))
    assert len({place % 5 for place in chosen}) >= 4
    assert check_data.spread(1, 1) == [0]


def test_the_sheet_shows_what_training_adds(samples: list[Sample], task: Task) -> None:
    """Columns five to eight are drawn anew by each seed; the recorded ones are not."""
    one, two = (contact_sheet.sheet(samples[:2], task, seed) for seed in (0, 7))
    recorded = 4 * PITCH
    body = slice(contact_sheet.HEAD, None)
    assert np.array_equal(one[body, :recorded], two[body, :recorded])
    assert np.abs(one[body, recorded:].astype(int) - two[body, recorded:]).mean() > 10


PLAIN = {"distractors": 0, "texture_probability": 0.0, "background_probability": 0.0, "shadow_probability": 0.0}


def test_the_sheet_shows_the_tasks_appearance(
    samples: list[Sample], task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files that differ in ``appearance`` alone: below the same rows of the bag stand other pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check_data, "ROWS", 3)
    bag(Path("bag"), task, samples[:15])
    sheets = {}
    for name, appearance in {"usual": {}, "plain": PLAIN}.items():
        settings = {**to_dict(task), "name": name, "appearance": appearance}
        Path(f"{name}.yaml").write_text(yaml.safe_dump(settings))
        kovis(["check-data", "bag", "--task", f"{name}.yaml", "--sheet", f"{name}.png"])
        sheets[name] = cv2.imread(f"{name}.png")
    assert sheets["usual"].shape == sheets["plain"].shape == (2 * (contact_sheet.HEAD + 3 * PITCH), 8 * PITCH, 3)
    of_bag, drawn = (slice(top, top + 3 * PITCH) for top in (contact_sheet.HEAD, 2 * contact_sheet.HEAD + 3 * PITCH))
    assert np.array_equal(sheets["usual"][of_bag], sheets["plain"][of_bag])
    apart = np.abs(sheets["usual"][drawn, : 2 * PITCH].astype(int) - sheets["plain"][drawn, : 2 * PITCH])
    assert all(row.mean() > 5 for row in np.split(apart, 3))


def test_what_is_drawn_has_the_tasks_appearance(task: Task) -> None:
    """Patterns, distractors and shadows on the table, or nothing but the light falling off."""
    usual, plain = (
        check_data.draw(from_dict({**to_dict(task), "appearance": appearance}), 5, 0) for appearance in ({}, PLAIN)
    )
    assert [sample.step for sample in usual] == [0, 1, 2, 3, 4]
    assert np.mean([unrest(sample) for sample in plain]) < 1.0 < 3.0 < np.mean([unrest(sample) for sample in usual])


def unrest(sample: Sample) -> float:
    """Grey levels from pixel to pixel of the background; a light that falls off has next to none."""
    background = sample.segmentation[0] == 0
    beside = background[:, 1:] & background[:, :-1]
    return float(np.abs(np.diff(sample.left.astype(int), axis=1))[beside].mean())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["none"], "bag none is no folder: give one that `kovis record` made"),
        (["bag", "--samples", "-1"], "--samples -1 is out of range"),
        (["bag", "--sheet", "nowhere/a.png"], "--sheet nowhere/a.png cannot be"),
        (["bag", "--sheet", "a.jpg"], "--sheet a.jpg cannot be: give a .png"),
        (["bag", "--task", "make_tea"], "task 'make_tea' is unknown"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: list[str], text: str, samples: list[Sample], task: Task, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    bag(Path("bag"), task, samples[:10])
    assert kovis(["check-data", *words]) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.splitlines()) == 1 and [p.name for p in tmp_path.iterdir()] == ["bag"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"rollout": {"start_distance_m": [0.06, 0.02]}}, "start_distance_m is [0.06, 0.02]: the lower limit comes"),
        ({"camera": {"position_error_m": -0.01}}, "camera.position_error_m is -0.01: give 0 or more"),
        ({"camera": {"eye_m": [0.0, float("nan"), 0.0]}}, "camera: eye_m[1] is nan: a finite number is needed"),
    ],
)
def test_settings_that_cannot_be_are_one_line(
    settings: dict[str, object], text: str, samples: list[Sample], task: Task, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Those of the bag, and those to be shown. The bag's meshes and goal play no part: its images are there."""
    monkeypatch.chdir(tmp_path)
    bag(Path("bag"), task, samples[:10])
    Path("mine.yaml").write_text(yaml.safe_dump({"name": "mine", "target": {}, **settings}))
    assert kovis(["check-data", "bag", "--task", "mine.yaml"]) == 2
    told = capsys.readouterr().err
    assert "mine.yaml: " in told and text in told and len(told.splitlines()) == 1
    info, recording = bags.info, Recording(task.name, 3, "0.1.0", yaml.safe_dump({**to_dict(task), **settings}))
    monkeypatch.setattr(bags, "info", lambda folder: info(folder)._replace(recording=recording))
    assert kovis(["check-data", "bag"]) == 2
    told = capsys.readouterr().err
    assert "the bag's settings" in told and text in told and len(told.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "mine.yaml"]


def test_a_task_that_cannot_be_drawn_is_told_before_the_bag_is_read(
    samples: list[Sample],
    task: Task,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bags, "read_evenly", lambda *_: pytest.fail("read"))
    bag(Path("bag"), task, samples[:10])
    lost = {**to_dict(task), "target": {**to_dict(task.target), "mesh": "./lost.obj"}}
    Path("mine.yaml").write_text(yaml.safe_dump(lost))
    assert kovis(["check-data", "bag", "--task", "mine.yaml"]) == 2
    told = capsys.readouterr().err
    assert "lost.obj" in told and len(told.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "mine.yaml"]
