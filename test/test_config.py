"""Settings: every shipped task loads and round-trips; every mistake is named."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kovis_ros.method import config
from kovis_ros.method.config import ConfigError, from_dict, load_task, to_dict

MINIMAL = {"name": "x", "target": {}}


@pytest.mark.parametrize("name", config.task_names())
def test_shipped_tasks_round_trip(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert from_dict(to_dict(task)) == task == from_dict(yaml.safe_load(yaml.safe_dump(to_dict(task))))
    assert len(task.completion) >= 1 and task.model.image_size % task.model.map_size == 0


def test_the_papers_dimensions_are_the_defaults() -> None:
    task = from_dict(MINIMAL)
    assert (task.model.image_size, task.model.map_size, task.model.keypoints) == (64, 32, 10)
    assert (task.model.rho, task.training.loss.gamma, task.model.growth) == (2.5, 20.0, 24)
    assert task.axes == ("x", "y", "z", "rz")


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        from_dict(MINIMAL).model.rho = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "key 'colour' is unknown: known are name, target"),
        ({"model": {"rho": "wide"}}, "model: rho is 'wide': a float is needed"),
        ({"model": {"keypoints": 2.5}}, "keypoints is 2.5: a int is needed"),
        ({"model": {"keypoints": True}}, "keypoints is True"),
        ({"model": 3}, "model is 3: a mapping"),
        ({"camera": {"baseline_range_m": [0.06, 0.04]}}, "the lower limit comes first"),
        ({"camera": {"eye_m": [0.0, 0.1]}}, "3 values are needed"),
        ({"axes": ["x", "yaw"]}, "axes: axis 'yaw' is unknown"),
        ({"axes": ["x", "x"]}, "name each commanded axis once"),
        ({"axes": []}, "name each commanded axis once"),
        ({"servo": {"converged_speed": 0.3}}, "servo.converged_speed 0.3 must be below"),
        ({"model": {"keypoints": 17}}, "model.keypoints 17 is out of range: 2 to 16"),
        ({"symmetry": [1, 1, -2]}, "0 is a body of revolution"),
        ({"success": {"kind": "pour"}}, "success.kind is 'pour': choose from lift, seat"),
        ({"success": {"kind": "seat"}}, "success.kind is 'seat' and nothing is held: give held.mesh"),
        ({"held": {"position_range_m": [0.0, -0.1, 0.0]}}, "negative half range: give 0 or more"),
        ({"target": {"mass_kg": 0.0}}, "target.mass_kg is 0.0: give more than 0"),
        ({"target": {"family": "cups"}}, "target.family is 'cups': choose from mugs"),
        ({"rollout": {"steps": 0}}, "rollout.steps is 0: give more than 0"),
        ({"servo": {"confidence_halt": 0.6}}, "servo.confidence_halt 0.6 must not be above"),
        ({"training": {"adversarial": {"iterations": [3, 1]}}}, "iterations is .*: the lower limit comes first"),
        ({"target": {"yaw_range_deg": [60.0, -60.0]}}, "yaw_range_deg .* the lower limit comes first"),
        ({"completion": [{"speed": 1.0}]}, r"completion\[0\]: key 'speed' is unknown"),
        ({"completion": [{"speed_mps": 0.0}]}, "completion.speed_mps is 0.0: give more than 0"),
        ({"model": {"image_size": 100}}, "model.image_size 100 is no multiple of model.map_size 32: give 96"),
        ({"model": {"image_size": 16}}, "model.image_size 16 is no multiple of model.map_size 32: give 32"),
        ({"model": {"map_size": 4}}, r"map_size 4 cannot be halved .* 4 blocks, model.layers .*: give a multiple of 8"),
        ({"model": {"layers": []}}, r"model.layers is \[\]: give the number of layers of one block or more"),
        ({"model": {"decoder_layers": []}}, r"model.decoder_layers is \[\]: give"),
        ({"model": {"servo_hidden": [64, 0]}}, r"model.servo_hidden is \[64, 0\]: give more than 0"),
        ({"model": {"growth": 0}}, "model.growth is 0: give more than 0"),
        ({"training": {"score_every": 0}}, "training.score_every is 0: give more than 0"),
        ({"training": {"average": 1.5}}, "training.average is 1.5: give 0 to 1"),
        ({"training": {"augment": {"shadow": 1.5}}}, "training.augment.shadow is 1.5: give 0 to 1"),
        ({"name": "a/b"}, "name is 'a/b': give letters, digits"),
        ({"name": "../tea"}, "name is '../tea': give letters, digits"),
        ({"name": ".."}, "name is '..': give letters, digits"),
        ({"name": ""}, "name is '': give letters, digits"),
        ({"held": {"grip_m": 0.2}}, "held.grip_m is 0.2: give 0 to 0.085 m"),
        ({"completion": [{"force_n": 40.0}]}, r"completion\[0\] has neither gripper_m nor move_m: give one of them"),
        (
            {"completion": [{"gripper_m": 0.0}, {"gripper_m": 0.0, "move_m": [0.0, 0.0, 0.1]}]},
            r"completion\[1\] has both gripper_m and move_m: give one of them",
        ),
        ({"completion": [{"gripper_m": 0.2}]}, r"completion\[0\].gripper_m is 0.2: give 0 to 0.085 m"),
        ({"completion": [{"settle_s": -0.1}]}, "completion.settle_s is -0.1: give 0 or more"),
        ({"camera": {"position_error_m": -0.01}}, "camera.position_error_m is -0.01: give 0 or more"),
        ({"camera": {"rotation_error_deg": float("nan")}}, "camera: rotation_error_deg is nan: a finite number"),
        ({"camera": {"baseline_range_m": [0.0, 0.06]}}, "camera.baseline_range_m is .* give more than 0"),
        ({"rollout": {"translation_m": -0.07}}, "rollout.translation_m is -0.07: give 0 or more"),
        ({"rollout": {"start_rotation_deg": -20.0}}, "rollout.start_rotation_deg is -20.0: give 0 or more"),
        ({"rollout": {"start_distance_m": [-0.02, 0.06]}}, r"rollout.start_distance_m is \[-0.02, 0.06\]: give 0"),
        ({"rollout": {"tilt_deg": float("inf")}}, "rollout: tilt_deg is inf: a finite number is needed"),
        ({"goal": {"position_m": [0.0, float("-inf"), 0.0]}}, r"goal: position_m\[1\] is -inf: a finite number"),
        ({"target": {"position_range_m": [[0.4, 0.5], [0.0, float("nan")]]}}, r"position_range_m\[1\]\[1\] is nan"),
        ({"training": {"loss": {"depth": -1.0}}}, "training.loss.depth is -1.0: give 0 or more"),
        ({"training": {"adversarial": {"probability": 1.5}}}, "training.adversarial.probability is 1.5: give 0 to 1"),
        ({"appearance": {"distractors": -1}}, "appearance.distractors is -1: give 0 or more"),
        ({"camera": {"field_of_view_deg": [53.0, 170.0]}}, r"field_of_view_deg is \[53.0, 170.0\]: give at most 120"),
        ({"camera": {"field_of_view_deg": [0.0, 60.0]}}, "camera.field_of_view_deg is .* give more than 0"),
        ({"appearance": {"light_elevation_deg": [25.0, 95.0]}}, r"elevation_deg is \[25.0, 95.0\]: give 0 to 90"),
        ({"appearance": {"light_elevation_deg": [-5.0, 80.0]}}, r"elevation_deg is \[-5.0, 80.0\]: give 0 or more"),
        ({"training": {"loss": {"hardest": 1.5}}}, "training.loss.hardest is 1.5: give at most 1"),
        ({"completion": [{"gripper_m": 0.0}]}, "success.kind is 'lift' and no step of completion moves"),
        ({"model": {"layers": [2, -3]}}, r"model.layers is \[2, -3\]: give 0 or more"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict({**MINIMAL, **change})


def test_places_and_turns_may_be_negative() -> None:
    changed = {
        "target": {"position_range_m": [[-0.5, -0.4], [-0.1, 0.1]], "yaw_range_deg": [-60.0, -10.0]},
        "goal": {"position_m": [-0.01, -0.02, -0.03]},
        "completion": [{"move_m": [0.0, 0.0, -0.09]}],
    }
    assert from_dict({**MINIMAL, **changed}).goal.position_m == (-0.01, -0.02, -0.03)


def test_an_axis_that_cannot_be_observed_is_warned_of() -> None:
    with pytest.warns(
        UserWarning, match="axis 'rz' is commanded, but the object looks the same .*: its label is noise"
    ):
        from_dict({**MINIMAL, "symmetry": [1, 1, 0]})
    with pytest.warns(UserWarning, match="axis 'ry'"):  # the object's z is the tool's y
        from_dict({**MINIMAL, "symmetry": [1, 1, 0], "axes": ["x", "ry"], "held": {"rpy_deg": [90.0, 0.0, 0.0]}})


def test_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="key 'target' is missing: add it"):
        from_dict({"name": "x"})


def test_files_with_a_dot_lie_beside_the_task(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: x\ntarget: {mesh: ./meshes/x.obj, collision: mug/piece_*.obj}\n")
    target = load_task(tmp_path / "x.yaml").target
    assert target.mesh == str(tmp_path / "meshes" / "x.obj") and target.collision == "mug/piece_*.obj"


def test_whole_numbers_are_floats_too() -> None:
    assert from_dict({**MINIMAL, "model": {"rho": 3}}).model.rho == 3.0


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="task 'pour' is unknown: choose from .*pick_mug"):
        load_task("pour")
    with pytest.raises(ConfigError, match="cannot be read .*check the path"):
        load_task(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2")
    with pytest.raises(ConfigError, match="is no YAML"):
        load_task(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no YAML .*can't decode"):
        load_task(broken)
    broken.write_text("- 1\n")
    with pytest.raises(ConfigError, match="a mapping of settings is needed"):
        load_task(broken)


def studies(path: Path) -> object:
    """Settings of `kovis report`."""
    pytest.importorskip("pybullet", reason="needs pybullet: run make setup")
    from kovis_sim.studies.settings import load

    return load(path)


@pytest.mark.parametrize("load", [load_task, studies])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("success: {trials: 2}\nname: x\nsuccess: {trials: 3}\n", "key 'success' stands in line 1 and again in line 3"),
        ("success:\n  trials: 2\n  trials: 2\n", "key 'trials' stands in line 2 and again in line 3: keep one"),
        ("[" * 3000, "is nested too deeply: settings are"),
        ("a: " + "{a: " * 3000, "is nested too deeply: settings are"),
        ("name: 2020-13-45\n", r"is no YAML \(month must be in 1..12.*\): mend it"),
    ],
)
def test_a_file_that_does_not_say_one_thing(
    load: Callable[[Path], object], text: str, told: str, tmp_path: Path
) -> None:
    """Tasks and the settings of studies are read by one loader."""
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"{tmp_path / 'odd.yaml'}.* {told}") as caught:
        load(tmp_path / "odd.yaml")
    assert "\n" not in str(caught.value)


def test_a_key_may_override_what_it_merges(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: x\ntarget: &t {mass_kg: 0.1}\nheld: {<<: *t, mass_kg: 0.2, grip_m: 0.04}\n")
    task = load_task(tmp_path / "x.yaml")
    assert (task.target.mass_kg, task.held.mass_kg, task.held.grip_m) == (0.1, 0.2, 0.04)


def test_missing_data_is_named() -> None:
    with pytest.raises(ConfigError, match="config/none.yaml not found .*reinstall"):
        config.share("config", "none.yaml")
