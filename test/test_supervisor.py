"""The supervisor: starts in order, waits, restarts what may be, tells errors and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from kovis_ros.bringup import Process, graph
from kovis_ros.bringup.supervisor import GraphError, Supervisor, says

ROOT = Path(__file__).resolve().parents[1]


def python(name, code, **more):
    return Process(name, ("python3", "-u", "-c", code), **more)


SLEEPER = "import time; print('ready: now'); time.sleep(60)"


def test_supervisor_waits_until_all_are_ready_and_stops_them(tmp_path):
    with Supervisor([python("a", SLEEPER), python("b", SLEEPER)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        running = [child.popen for child in supervisor.children]
    assert all(popen.poll() is not None for popen in running)


def test_what_the_others_need_is_ready_before_they_start(tmp_path):
    marker = tmp_path / "listening"
    need = f"import time; time.sleep(0.5); open({str(marker)!r}, 'w'); print('ready: now'); time.sleep(60)"
    look = f"import os, time; print('ready: now' if os.path.exists({str(marker)!r}) else 'too early'); time.sleep(60)"
    with Supervisor([python("controller", need, first=True), python("arm", look)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
    assert [process.name for process in graph({}) if process.first] == ["ur_controller"]


def test_a_process_that_says_not_ready_is_waited_for(tmp_path):
    code = "import time; print('the arm is not ready: protective stop'); time.sleep(0.5); print('[arm]: ready: UR5')"
    with Supervisor([python("arm", f"{code}; time.sleep(60)")], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        assert "ready: UR5" in supervisor.children[0].tail()
    told = ["ready: UR5", "[INFO] [1.2] [kovis.ur5]: ready: UR5 5.11", "not ready: off\nready: UR5"]
    assert all(says("ready:", log) for log in told)
    assert not any(says("ready:", log) for log in ("", "is not ready: off", "nearly ready", "the images are ready"))


def test_a_process_that_dies_at_start_is_told_with_its_log(tmp_path):
    code = "print('the lens cap is on'); raise SystemExit(2)"
    with pytest.raises(GraphError, match=r"(?s)camera ended with code 2; its log .*the lens cap is on"):
        with Supervisor([python("slow", SLEEPER), python("camera", code)], tmp_path) as supervisor:
            supervisor.wait_ready(20.0)


def test_an_error_that_a_node_tells_is_all_that_is_shown(tmp_path):
    code = "print('warming up'); print('error: checkpoint x is damaged: train it again'); raise SystemExit(2)"
    with pytest.raises(
        GraphError, match=r"camera ended with code 2; its log .*: error: checkpoint x is damaged"
    ) as told:
        with Supervisor([python("camera", code)], tmp_path) as supervisor:
            supervisor.wait_ready(20.0)
    assert "warming up" not in str(told.value) and len(str(told.value).splitlines()) == 1


def test_what_may_be_restarted_is(tmp_path):
    marker = tmp_path / "once"
    code = f"import os, time\np = {str(marker)!r}\nfirst = not os.path.exists(p)\nopen(p, 'a')\n"
    code += "print('ready: now', flush=True)\ntime.sleep(0.3 if first else 60)"
    with Supervisor([python("arm", code, restart=True, required=False)], tmp_path) as supervisor:
        supervisor.wait_ready(20.0)
        deadline = time.monotonic() + 10.0
        while not (supervisor.children[0].restarts == 1 and supervisor.children[0].ready):
            supervisor.check()
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_killed_supervisor_leaves_no_children(tmp_path):
    code = f"""
import time
from pathlib import Path
from kovis_ros.bringup import Process
from kovis_ros.bringup.supervisor import Supervisor
process = Process("child", ("python3", "-u", "-c", {SLEEPER!r}))
with Supervisor([process], Path({str(tmp_path)!r})) as supervisor:
    supervisor.wait_ready(20.0)
    print(supervisor.children[0].popen.pid, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5.0
    while running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running(pid):
    """Is a process alive (a zombie is not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
