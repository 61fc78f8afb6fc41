"""The studies behind the report: metrics against numbers derived by hand, what is drawn, settings."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from oracle import Oracle

from kovis_ros.method import geometry, metrics, motion
from kovis_ros.method.config import ConfigError, load_task
from kovis_ros.method.plain_arrays import packed, unpacked
from kovis_sim import camera, closed_loop, hand
from kovis_sim.scene import Scene
from kovis_sim.studies import STUDIES, curves, keypoints
from kovis_sim.studies import anchoring as anchoring_study
from kovis_sim.studies.settings import PLAIN, Settings, load

ROOT = Path(__file__).resolve().parents[1]
LN2 = math.log(2.0)


# -- metrics ------------------------------------------------------------------------------------------------------
def test_stability_weighs_by_confidence_and_leaves_the_dead_out() -> None:
    """0.2 and 0.04 of the network's two units are 0.1 and 0.02 of the side: (0.8 x 0.1 + 0.4 x 0.02) / 1.2."""
    first = [[[0.0, 0.0, 0.8], [0.5, 0.5, 0.4], [0.0, 0.0, 0.05]]]
    second = [[[0.2, 0.0, 0.6], [0.5, 0.46, 0.5], [0.9, 0.9, 0.09]]]
    found = metrics.stability(first, second)
    assert found.location == pytest.approx(0.088 / 1.2, abs=1e-6)
    assert found.confidence == pytest.approx(0.15, abs=1e-6)
    assert found.dead == 1
    nothing = metrics.stability(np.zeros((2, 3, 3)), np.zeros((2, 3, 3)))
    assert nothing.dead == 3 and math.isnan(nothing.location)


def test_a_difference_of_rates_has_newcombes_interval() -> None:
    """His example (1998, table II a): Wilson's intervals 0.6918-0.8770 and 0.4904-0.7004, so 0.0524 to 0.3339."""
    found = metrics.difference((56, 70), (48, 80))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert metrics.difference((48, 80), (56, 70)) == pytest.approx((-0.2, -0.3339, -0.0524), abs=5e-5)


def test_consistency_is_equation_7_and_its_floor() -> None:
    """A right angle at speed 0.5 costs 0.5, the other nothing; 0.5 predicted costs ln 2 whatever the label."""
    found = metrics.consistency([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5], [[1.0, 0.0], [1.0, 0.0]], [0.5, 0.8])
    assert found.direction == pytest.approx(0.25, abs=1e-9)
    assert found.speed == pytest.approx(LN2, abs=1e-9)
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    assert found.speed_floor == pytest.approx((LN2 + entropy) / 2.0, abs=1e-9)


def test_bins_count_each_trial_once() -> None:
    found = metrics.binned([0.0, 0.5, 1.0, 1.5, 2.0], [True, False, True, True, False], [0.0, 1.0, 2.0])
    assert found == [metrics.Bin(0.0, 1.0, 2, 1), metrics.Bin(1.0, 2.0, 3, 2)]


@pytest.mark.parametrize("task, floor", [("pick_mug", 0.190), ("insert_shaft", 0.153)])
def test_steps_have_the_papers_distribution(task: str, floor: float) -> None:
    """Entropy of 1 - exp(-200 i s), i = 0..4, s uniform up to 17 or 22 mm, integrated over 1000 values of s."""
    settings, rng = load().anchoring, np.random.default_rng(0)
    chosen = load_task(task)
    lengths = [anchoring_study.step_length(chosen, settings, rng) for _ in range(4000)]
    steps = np.array([anchoring_study.step(chosen, length, rng) for length in lengths])
    steps[:, 3:] *= motion.ROTATION_SCALE
    assert np.linalg.norm(steps, axis=1) == pytest.approx(np.array(lengths))
    longest = {"pick_mug": 0.017, "insert_shaft": 0.022}[task]
    assert 0.99 * longest < max(lengths) <= longest and np.mean(lengths) == pytest.approx(longest / 2.0, rel=0.03)
    label = 1.0 - np.exp(-200.0 * np.array(lengths)[:, None] * np.arange(5)).ravel()
    assert entropy(label) == pytest.approx(floor, abs=0.005)
    idle = [i for i in range(6) if i not in motion.axis_indices(chosen.axes)]
    assert not steps[:, idle].any() and steps[:, :3].any(axis=0).all()


@pytest.mark.parametrize("task, floor", [("pick_mug", 0.190), ("insert_shaft", 0.153), ("insert_plug", 0.190)])
def test_what_stands_in_the_way_leaves_the_distribution_as_it_is(task: str, floor: float) -> None:
    """Of 120 roll-outs in the scene all have five places, and labels have the paper's entropy (standard error 0.01)."""
    config, scene, speeds = load().anchoring, Scene(load_task(task)), []
    for index in range(120):
        scene.rng = np.random.default_rng([config.seed, index])
        scene.place_target()
        for _ in anchoring_study.places(scene, config):
            assert not scene.touching(scene.q)
            speeds.append(motion.label(scene.displacement(), scene.task.servo.label_slope)[1])
    scene.close()
    assert len(speeds) == 600 and entropy(np.array(speeds)) == pytest.approx(floor, abs=0.025)


def entropy(speed: np.ndarray) -> float:
    """Mean entropy of speed labels (n,)."""
    unit = np.zeros((len(speed), 1))
    return metrics.consistency(unit, speed, unit, speed).speed_floor


def test_predictions_are_compared_by_magnitude() -> None:
    """The first magnitude is right in everything, the second has the direction reversed: loss 2 x speed."""
    config = dataclasses.replace(load().anchoring, position_error_m=(0.005, 0.010), rotation_error_deg=(2.5, 5.0))
    settings = dataclasses.replace(Settings(), anchoring=config)
    row = {"index": 0, "wanted": [[1.0, 0, 0, 0, 0.5]], "predicted": [[[1.0, 0, 0, 0, 0.5], [-1.0, 0, 0, 0, 0.5]]]}
    right, wrong = STUDIES["anchoring"].figures(load_task("pick_mug"), settings, [row])["magnitudes"]
    assert (right["direction"], wrong["direction"]) == pytest.approx((0.0, 1.0))
    assert right["speed"] == wrong["speed"] == pytest.approx(LN2)
    assert (wrong["position_m"], wrong["rotation_deg"]) == (0.010, 5.0)


# -- what is drawn ------------------------------------------------------------------------------------------------
def test_each_perturbation_changes_what_it_names() -> None:
    config, rng = load().keypoints, np.random.default_rng(3)
    found = keypoints.looks(config, load_task("insert_shaft"), rng)
    plain = found["none"]
    assert plain.background is None and plain.target.texture == plain.held.texture == -1  # type: ignore[union-attr]
    for name, same in {
        "background": ("light", "target", "gripper", "held"),
        "texture": ("light", "background", "distractors"),
        "lighting": ("target", "gripper", "held", "background", "distractors"),
    }.items():
        changed = {field for field in plain._fields if getattr(found[name], field) is not getattr(plain, field)}
        assert changed and not changed & set(same), name
    assert found["background"].background is not None and found["texture"].target.texture >= 0
    assert config.plain == PLAIN


def test_a_trial_is_pushed_by_one_condition_at_a_time() -> None:
    known = curves.conditions(load_task("insert_shaft"), load().curves)
    assert list(known) == ["mount_m", "mount_deg", "start_m", "held_m", "latency_s"]
    assert "held_m" not in curves.conditions(load_task("pick_mug"), load().curves)
    rng = np.random.default_rng(0)
    drawn = [curves.draw(known, rng) for _ in range(2000)]
    out = [[n for n, c in known.items() if not c.usual[0] <= d[n] <= c.usual[1]] for d in drawn]
    assert max(map(len, out)) == 1
    assert {name for names in out for name in names} == set(known)
    assert {round(d["latency_s"] * 1e3) for d in drawn} == {0, 50, 100, 150, 200}
    assert max(d["mount_m"] for d in drawn) > 0.029 and max(d["mount_deg"] for d in drawn) > 14.5


def test_a_curve_leaves_out_trials_that_something_else_pushed() -> None:
    usual = {"mount_m": 0.004, "mount_deg": 2.0, "start_m": 0.030, "latency_s": 0.0}
    pool = [
        (usual, True),
        (usual | {"mount_m": 0.027}, False),
        (usual | {"mount_m": 0.028}, True),
        (usual | {"latency_s": 0.20}, False),
    ]
    found = [{"index": i, "conditions": values, "success": good} for i, (values, good) in enumerate(pool)]
    figures = curves.figures(load_task("pick_mug"), load(), found)
    counts = {name: [(b["trials"], b["successes"]) for b in bins] for name, bins in figures["curves"].items()}
    assert counts["mount_m"] == [(1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (2, 1)]  # 5 mm each; the late one is out
    assert counts["latency_s"] == [(1, 1), (0, 0), (0, 0), (0, 0), (1, 0)]
    assert figures["rows"][1] == [0.027, 2.0, 0.030, 0.0, 0]


def test_mount_and_hand_are_off_by_what_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    config = load_task("insert_shaft").camera
    nominal = camera.nominal(config).tool0_T_centre
    moved = camera.mounted(config, rng, np.array([0.0, 0.03, 0.0]), np.radians([15.0, 0.0, 0.0])).tool0_T_centre
    off = geometry.log(geometry.inverse(nominal) @ moved)
    assert np.degrees(np.linalg.norm(off[3:])) == pytest.approx(15.0, abs=1e-6)
    assert np.linalg.norm(off[:3]) == pytest.approx(0.03, abs=1e-6)
    held = load_task("insert_shaft").held
    steady = dataclasses.replace(held, rotation_range_deg=(0.0, 0.0, 0.0))
    shift = geometry.inverse(hand.nominal(held)) @ hand.shifted(steady, rng, 0.006)
    assert np.linalg.norm(shift[:3, 3]) == pytest.approx(0.006, abs=1e-9)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Pick-Mug without the sensor's noise."""
    made = Scene(load_task("pick_mug"), split="test")
    yield made
    made.close()


def test_a_pushed_trial_begins_as_drawn(scene: Scene) -> None:
    values = {"mount_m": 0.025, "mount_deg": 12.0, "start_m": 0.015, "latency_s": 0.0}
    curves.arrange(scene, values, np.random.default_rng(1))
    off = geometry.log(geometry.inverse(camera.nominal(scene.task.camera).tool0_T_centre) @ scene.camera.tool0_T_centre)
    assert np.linalg.norm(off[:3]) == pytest.approx(0.025, abs=1e-6)
    assert np.degrees(np.linalg.norm(off[3:])) == pytest.approx(12.0, abs=1e-4)
    assert scene.error()[0] == pytest.approx(0.015, abs=2e-3)


def test_a_perturbed_picture_shows_the_same_scene(scene: Scene) -> None:
    """Depth and segmentation stay to the pixel, distractors included; the grey levels do not."""
    rng = np.random.default_rng(4)
    keypoints.arrange(scene, rng)
    seen = {}
    for name, look in keypoints.looks(load().keypoints, scene.task, rng).items():
        scene.dress(look, np.random.default_rng(5))
        seen[name] = (scene.stereo()[0].astype(float), scene.truth())
    image, truth = seen.pop("none")
    for name, (changed, other) in seen.items():
        assert np.array_equal(truth.depth, other.depth) and np.array_equal(truth.segmentation, other.segmentation)
        assert abs(changed - image).mean() > 1.0, name


def test_late_images_come_late(scene: Scene) -> None:
    """Four periods of 50 ms before the first image: the arm stands so long, and is slower after it."""
    scene.reset(3)
    start = scene.world_T_tcp
    usual = closed_loop.servo(scene, Oracle(scene), 3, complete=False)
    scene.put(start)
    late = closed_loop.servo(scene, Oracle(scene), 3, complete=False, late=4)
    assert usual.converged and late.steps >= usual.steps + 4
    moved = [np.linalg.norm(trial.errors[4] - trial.errors[0]) for trial in (usual, late)]
    assert moved[0] > 1e-3 and moved[1] < 1e-6


def test_settings_are_frozen_in_yaml_and_checked(tmp_path: Path) -> None:
    settings = load()
    assert settings.keypoints.images >= 400 and settings.success.trials >= 100 and settings.curves.trials >= 1000
    assert settings.anchoring.position_error_m == (0.005, 0.010, 0.015)
    cells = len(settings.grid.tasks) * len(settings.grid.keypoints) * 2
    assert cells == 18
    path = tmp_path / "mine.yaml"
    for text, words in {
        "grid: {sample: 3}": "'sample' is unknown: known are tasks",
        "grid: {samples: 0}": "grid.samples is too small",
        "views: {scale: -1.5}": "views.scale is -1.5: give 0 or more",
        "curves: {held_m: [[-0.002, 0.002], [0.0, 0.006]]}": "curves.held_m is .*: give 0 or more",
        "anchoring: {position_error_m: [0.01]}": "give pairs",
        "curves: {latest: 9}": "out of range",
        "curves: {mount_m: [[0.02, 0.01], [0.0, 0.03]]}": "lower limit comes first",
    }.items():
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load(path)


def test_arrays_come_back_from_json() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    again = unpacked(json.loads(json.dumps(packed(array))))
    assert again.dtype == array.dtype and np.array_equal(again, array)
