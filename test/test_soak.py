"""The figures of soak and rates, without a graph; that they run with one is seen in test_safety and docs/soak.md."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run make setup")
pytest.importorskip("kovis_msgs", reason="needs the built messages: run make setup")

from kovis_ros.breaking import Measured  # noqa: E402
from kovis_ros.bringup.resources import Holding  # noqa: E402
from kovis_ros.bringup.supervisor import GraphError  # noqa: E402
from kovis_ros.cli import rates, soak  # noqa: E402
from kovis_ros.cli.main import main  # noqa: E402
from kovis_ros.soaking import Soak, expected  # noqa: E402
from kovis_sim.breaker import FAULTS  # noqa: E402


@pytest.fixture
def run():
    graph = SimpleNamespace(client=SimpleNamespace(), supervisor=SimpleNamespace(children=[]))
    made = Soak(graph, np.random.default_rng(0), print)
    made.seconds, made.trials, made.converged, made.completed = 120.0, 2, 2, 1
    made.periods = [(10.0, 1250, 0.01, 300), (30.0, 3750, 0.002, 600)]
    made.measured["link cut"] += [Measured("link cut", 0.11, 0.01, 0.0, 1.1), Measured("link cut", 0.2, 0.1, 0.0, 1.1)]
    made.looks["servo", 7] = [Holding(at, 80.0, 4, 12) for at in np.arange(0.0, 100.0, 10.0)]
    return made


def test_a_good_run_has_no_problems(run):
    report = {"task": "pick_mug", "seed": 0, **run.report()}
    assert report["problems"] == [] and (report["faults_injected"], report["faults_survived"]) == (2, 2)
    assert report["faults"]["link cut"] == {
        "injected": 2, "survived": 2, "moved_on": 0, "moved_again": 0, "over_the_limit": 0, "worst_s": 0.1,
    }  # fmt: skip
    # (1250 * 0.01 + 3750 * 0.002) / 5000 = 0.004
    assert report["rates"] == pytest.approx({"commands_hz": 125.0, "commands_late_share": 0.004, "keypoints_hz": 22.5})
    text = soak.markdown(report)
    assert "| link cut | 2 | 2 | 0 | 0 | 0 | 100 ms |" in text and "Problems: none." in text
    assert "0.40 % of periods" in text and "| servo | 1 | 80 MB | 4 | 12 | 60 s: +0.00 MB/min" in text


def test_what_goes_wrong_is_a_problem(run):
    run.measured["servo killed"].append(Measured("servo killed", float("inf"), float("inf"), 0.0, 1.1))
    run.deaths.append("sim ended with -11 during link cut")
    run.looks["servo", 7] = [Holding(at, 80.0, 4 + int(at), 12) for at in np.arange(0.0, 100.0, 10.0)]
    assert run.report()["problems"] == [
        "servo killed: the arm moved on, 1 of 1 times",
        "sim ended with -11 during link cut",
        "servo leaks: threads +30",
    ]
    assert "| servo killed | 1 | 0 | 1 | 0 | 0 | none stayed |" in soak.markdown(
        {"task": "x", "seed": 0, **run.report()}
    )


def test_motion_again_late_stops_and_rounds_that_did_not_start_are_problems(run):
    run.measured["link cut"] += [
        Measured("link cut", 0.4, 0.3, 0.0, 1.1),
        Measured("link cut", 0.95, 0.85, 0.0, 1.0, again=True),
    ]
    run.troubles = ["whole trial: no answer of servo in 15 s"] * 3
    run.incomplete = ["trial with seed 7: not converged within 20 s; before it link cut"]
    run.looks["ur5", 8] = [Holding(at, 80.0 + 0.3 * max(at - 30.0, 0.0), 24, 39) for at in np.arange(0.0, 63.0, 5.0)]
    report = run.report()
    assert report["problems"] == [
        "link cut: the arm stood and moved again, 1 of 4 times",
        "link cut: the arm stood too late, 1 of 4 times, 300 ms after the limit at worst",
        "ur5 leaks: memory +18.0 MB/min",
        "3 rounds did not get going",
    ]
    assert report["faults_survived"] == 3
    text = soak.markdown({"task": "x", "seed": 0, **report})
    assert "| link cut | 4 | 3 | 0 | 1 | 1 | 300 ms |" in text and "\n- 3 rounds did not get going" in text
    assert "not completed: 1\n- trial with seed 7: not converged within 20 s; before it link cut\n" in text


def test_a_run_without_whole_trials_still_reports(run):
    run.periods, run.measured = [], type(run.measured)(list)
    report = {"task": "pick_mug", "seed": 0, **run.report()}
    assert report["rates"] == {} and "no rates" in soak.markdown(report)


def test_only_what_was_killed_may_end():
    assert expected("servo killed", "servo", -9) and expected("all nodes killed at once", "sim", -9)
    assert expected("link cut", "ur5", 4) and expected("link silent", "ur5", 2) and expected("ur5 killed", "ur5", 2)
    assert not expected("servo killed", "ur5", 2) and not expected("ur5 killed", "ur5", 4)
    assert not expected("servo killed", "keypoint", -9) and not expected("", "ur5", 4)
    assert not expected("servo killed", "servo", 1)


def test_an_arm_node_that_ends_late_ends_because_of_the_fault_before():
    """With a lost link it takes up to a second, on a busy machine more than the arm is watched."""
    node = SimpleNamespace(process=SimpleNamespace(name="ur5"), popen=SimpleNamespace(pid=7, poll=lambda: code[0]))
    code: list[int | None] = [None]

    def until(condition, timeout_s, missing):
        code[0] = 4
        client.check()
        assert condition()

    client = SimpleNamespace(pause=lambda seconds: None, until=until)
    graph = SimpleNamespace(
        client=client, supervisor=SimpleNamespace(children=[node], check=lambda: None), mend=lambda: None,
        under_way=lambda seed: "goal", breaker=SimpleNamespace(heal=lambda fault: None), ended=lambda handle: None,
        stop_at=lambda fault, watch_s: Measured(fault.name, 0.1, 0.0, 0.0, 1.1),
    )  # fmt: skip
    made = Soak(graph, np.random.default_rng(0), print)
    made.fault = "link silent"
    made._broken(1, next(fault for fault in FAULTS if fault.name == "link silent"))
    made.fault = ""
    made.check()
    assert made.ended == {7} and made.deaths == []


def test_rates_judge_periods_at_the_controller():
    steady = 0.008 * np.arange(1001)
    rows = {row.name: row for row in rates.table(steady, 28.0)}
    assert rows["commands at the arm [Hz]"].value == pytest.approx(125.0) and rows["commands at the arm [Hz]"].met
    assert rows["periods more than 4 ms late [%]"].value == 0.0
    # 20 of 1000 periods end 5 ms late, the next ones are as much shorter
    late = steady.copy()
    late[10:1000:50] += 0.005
    row = {row.name: row for row in rates.table(late, 28.0)}["periods more than 4 ms late [%]"]
    assert row.value == pytest.approx(2.0) and row.met is False and row.ratio == pytest.approx(2.0)
    with pytest.raises(GraphError, match="only 1 commands"):
        rates.table([1.0], 0.0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["soak", "--minutes", "0"], "give more than 0"),
        (["soak", "pick_mug", "backend:=dry_run"], "give robot:=sim backend:=rtde or leave both out"),
        (["rates", "--seconds", "500"], "give 2 to 50"),
        (["rates", "pick_mug", "robot:=none", "camera:=none"], "give robot:=sim backend:=rtde or leave both out"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(words, text, capsys):
    assert main(words) == 2
    told = capsys.readouterr().err
    assert text in told and len(told.strip().splitlines()) == 1
