"""``kovis servo`` without a graph: where it looks for one that runs, and which launch arguments it refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from kovis_ros import runs, trial_summary
from kovis_ros.bringup import graph
from kovis_ros.cli import main as cli
from kovis_ros.cli import rates, servo
from kovis_ros.method.config import load_task

WHERE = ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE")


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """An ordinary shell, with nothing said of domains; where each client of the trials would look for the graph."""
    seen: list[dict[str, str]] = []

    def look(*_: object) -> list[object]:
        seen.append({name: os.environ[name] for name in WHERE if name in os.environ})
        return []

    for name in WHERE:
        monkeypatch.setenv(name, "0")  # so that it is put back afterwards, whatever the command sets
        monkeypatch.delenv(name)
    monkeypatch.setattr(servo, "trials", look)
    monkeypatch.setattr(servo, "finish", lambda *_: 0)
    monkeypatch.setattr(servo.signal, "signal", lambda *_: None)
    return seen


def test_trials_of_a_launch_file_are_on_the_domain_of_its_nodes(places: list[dict[str, str]]) -> None:
    """What ``ros2 launch ... trials:=3`` starts is left to the environment, as its nodes are."""
    (client,) = [process for process in graph({"trials": "3", "seed": "7"}) if process.name == "trials"]
    assert cli.main(client.command[client.command.index("servo") :]) == 0
    assert places == [{}]


def test_a_graph_of_its_own_has_a_domain_of_its_own(
    places: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servo.bringup, "graph", lambda given: [])
    assert cli.main(["servo", "--trials", "1", "--out", str(tmp_path)]) == 0
    (place,) = places
    assert 1 <= int(place["ROS_DOMAIN_ID"]) <= 100 and place["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["servo", "pick_mug", "trials:=2"], "trials:=2 is for launch files: give --trials 2"),
        (["servo", "seed:=5"], "seed:=5 is for launch files: give --seed 5"),
        (["soak", "pick_mug", "trials:=2"], "trials:=2 is for launch files: leave it out"),
        (["servo", "pick_mug", "part:=sim"], "leave it out, or use ros2 launch kovis_ros sim.launch.py"),
        (["servo", "pick_mug", "part:=record", "rollouts:=3"], "leave it out, or use kovis record"),
    ],
)
def test_what_only_launch_files_take_is_refused(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.splitlines()) == 1


def test_only_what_it_takes_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["servo", "--arguments"]) == 0
    listed = {line.partition(":=")[0] for line in capsys.readouterr().out.splitlines()}
    assert {"task", "robot", "part"} <= listed and not {"trials", "seed"} & listed


def test_what_is_stored_names_weights_task_scene_and_code() -> None:
    """Of a graph that ran before the command, nobody knows them."""
    task, parts = load_task("pick_mug"), {"weights_sha256", "task_sha256", "scene_sha256", "code_sha256"}
    found = servo.origin(SimpleNamespace(attach=False), task, {"checkpoint": ""})
    assert found.keys() == {"processor", *parts} and all(len(found[part]) == 64 for part in parts)
    assert servo.origin(SimpleNamespace(attach=True), task, {"checkpoint": ""}).keys() == {"processor"}


def test_rates_are_stored_with_what_they_are_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "simulated", lambda args: ({}, {"task": "pick_mug"}))
    monkeypatch.setattr(rates, "measure", lambda *_: rates.table([0.0, 0.008, 0.016], 30.0))
    assert cli.main(["rates", "--json", str(tmp_path / "rates.json")]) == 0
    found = json.loads((tmp_path / "rates.json").read_text())
    known = runs.identity("rates", load_task("pick_mug"))
    assert {name: found[name] for name in known} == known and len(found["rows"]) == 5


def test_no_error_of_rotation_where_none_is_commanded() -> None:
    assert trial_summary.angle(load_task("insert_shaft"), 0.0) == ""
    assert trial_summary.angle(load_task("insert_plug"), 0.02) == "  1.1 deg"
    assert trial_summary.angle(load_task("insert_plug"), 0.02, 0) == " 1.1 deg"
