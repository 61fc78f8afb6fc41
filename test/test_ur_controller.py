"""The simulated controller, driven by the real vendor library in processes of its own: state, moves, gripper."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from ur_cell import HOME, ROOT, Cell, Client, ask_client, busy

from kovis_ros.method import geometry
from kovis_ros.method.kinematics import UR5, UR5E, forward
from kovis_sim.ur_controller.arrival import arrived, stamp

pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")


def skipped_share(cell):
    """Of the cycles of the next second, how many the controller left out."""
    before = cell.state()
    time.sleep(1.0)
    after = cell.state()
    return (after["skipped_cycles"] - before["skipped_cycles"]) / (after["cycle"] - before["cycle"])


@pytest.mark.parametrize(("name", "rate", "arm"), [("ur5", 125, UR5), ("ur5e", 500, UR5E)])
def test_state_streams_at_the_controllers_rate(name, rate, arm):
    with Cell("--arm", name, "--tcp-offset", "0.16") as cell:
        code = """
            start, seen = time.monotonic(), set()
            while time.monotonic() - start < 1.0:
                seen.add(r.getTimestamp())
                time.sleep(0.0005)
            clock = max(seen) - min(seen)
            say(len(seen), clock, r.getActualQ(), r.getActualTCPPose(), c.getTCPOffset(), r.getPayload())
            time.sleep(20)
        """
        client = Client(cell.address, code)
        cell.wait(lambda state: state["connections"] >= 3)
        time.sleep(0.3)
        before = cell.state()
        count, clock, q, pose, tcp, payload = client.hear()
        after = cell.state()
        cycles = after["cycle"] - before["cycle"]
        assert cycles == pytest.approx((after["now"] - before["now"]) * rate, rel=0.05, abs=3)
        sent, skipped = after["packages"] - before["packages"], after["skipped_cycles"] - before["skipped_cycles"]
        assert sent == pytest.approx(2 * (cycles - skipped), rel=0.02, abs=4)  # to control and receive
        assert skipped < 0.1 * cycles or skipped_share(cell) < 0.1 or busy()
        client.kill()
        assert clock == pytest.approx(1.0, abs=0.1)  # of the controller's clock
        assert 20 < count <= 1.1 * rate  # a busy client misses some, whatever the controller sends
        wanted = forward(q, arm) @ geometry.pose((0, 0, 0.16))
        np.testing.assert_allclose(pose[:3], wanted[:3, 3], atol=1e-9)
        np.testing.assert_allclose(geometry.rotation(pose[3:]), wanted[:3, :3], atol=1e-9)
        np.testing.assert_allclose(tcp, [0, 0, 0.16, 0, 0, 0], atol=1e-12)
        assert payload == 1.0


def test_moves_and_kinematics(fresh):
    code = """
        p = r.getActualTCPPose(); goal = list(p); goal[2] += 0.05
        linear = c.moveL(goal, 0.25, 1.2); at = r.getActualTCPPose()
        q = r.getActualQ(); q[0] += 0.2
        joint = c.moveJ(q, 1.0, 2.0); there = r.getActualQ()
        solved = c.getInverseKinematics(r.getActualTCPPose()); fk = c.getForwardKinematics(q, [0, 0, 0.17, 0, 0, 0])
        c.moveL(p, 0.05, 0.5, True); time.sleep(0.3); during = c.getAsyncOperationProgress()
        c.stopL(2.0); time.sleep(0.1)
        after, rest = c.getAsyncOperationProgress(), r.getActualTCPSpeed()
        c.setPayload(2.5, [0, 0, 0.05]); time.sleep(0.05)
        say(linear, goal, at, joint, q, there, solved, fk, r.getActualTCPPose(), during, after, rest, r.getPayload())
    """
    linear, goal, at, joint, q, there, solved, fk, last, during, after, rest, payload = ask_client(fresh.address, code)
    assert linear and joint
    np.testing.assert_allclose(at, goal, atol=1e-7)
    np.testing.assert_allclose(there, q, atol=1e-9)
    np.testing.assert_allclose(solved, q, atol=1e-6)
    np.testing.assert_allclose(fk[:3], (forward(q) @ geometry.pose((0, 0, 0.17)))[:3, 3], atol=1e-9)
    assert during >= 0 and after < 0
    assert np.linalg.norm(rest) == 0.0
    assert np.linalg.norm(np.subtract(last[:3], fk[:3])) > 0.002  # the asynchronous move was under way when stopped
    assert payload == 2.5
    np.testing.assert_allclose(forward(fresh.shared.read_arm().q)[:3, :3], forward(fresh.state()["q"])[:3, :3])


def test_joint_moves_may_be_asynchronous_and_stopped(fresh):
    code = """
        start = r.getActualQ(); goal = list(start); goal[0] += 0.3
        c.moveJ(goal, 0.4, 1.0, True); time.sleep(0.3); during = c.getAsyncOperationProgress()
        c.stopJ(4.0); time.sleep(0.1)
        say(during, c.getAsyncOperationProgress(), r.getActualQd(), r.getActualQ()[0] - start[0])
        c.moveJ(goal, 1.0, 4.0, True)
        until(lambda: c.getAsyncOperationProgress() < 0); time.sleep(0.05); say(goal, r.getActualQ())
    """
    client = Client(fresh.address, code)
    during, after, rest, turned = client.hear()
    assert during >= 0 > after and not any(rest) and 0.0 < turned < 0.3
    np.testing.assert_allclose(*client.hear(), atol=1e-9)


def test_the_tcp_is_the_clients_until_it_is_set_back_and_unreachable_poses_end_the_program(fresh):
    code = """
        before = r.getActualTCPPose(); c.setTcp([0, 0, 0.27, 0, 0, 0]); time.sleep(0.1)
        say(before, r.getActualTCPPose(), c.getTCPOffset()); c.setTcp([0, 0, 0.17, 0, 0, 0])
        far = list(before); far[0] = 3.0
        say(c.getInverseKinematicsHasSolution(before), c.getInverseKinematicsHasSolution(far))
        say(c.getInverseKinematics(far), c.isProgramRunning())
    """
    client = Client(fresh.address, code)
    before, after, tcp = client.hear()
    approach = geometry.rotation(before[3:])[:, 2]
    np.testing.assert_allclose(np.subtract(after, before)[:3], 0.1 * approach, atol=1e-9)
    np.testing.assert_allclose(tcp, [0, 0, 0.27, 0, 0, 0], atol=1e-12)
    assert client.hear() == [True, False]
    assert client.hear() == [[], False] and "get_inverse_kin" in fresh.state()["log"][-1]


def test_the_io_interface_moves_the_speed_slider(fresh):
    prelude = """
        import json, sys, rtde_io
        io = rtde_io.RTDEIOInterface(sys.argv[1])
        print("@" + json.dumps([io.setSpeedSlider(0.25), io.setStandardDigitalOut(1, True)]), flush=True)
        import time; time.sleep(20)
    """
    client = Client(fresh.address, "", prelude)
    assert client.hear() == [True, True]
    fresh.wait(lambda state: state["slider"] == 0.25)


def test_a_speed_never_ends_by_itself_only_by_its_stop(fresh):
    code = """
        ok = c.speedL([0, 0, 0.05, 0, 0, 0], 0.5, 0.2)
        time.sleep(0.8); say(ok, r.getActualTCPSpeed())
        ok = c.speedStop(2.0); until(lambda: not any(r.getActualTCPSpeed())); say(ok, r.getActualTCPSpeed())
        c.speedJ([0.1, 0, 0, 0, 0, 0], 1.0, 0.1); time.sleep(0.5); say(r.getActualQd())
        c.speedStop(2.0); until(lambda: not any(r.getActualQd())); say(r.getActualQd())
    """
    client = Client(fresh.address, code)
    ok, speed = client.hear()
    assert ok and speed[2] == pytest.approx(0.05, abs=1e-3)  # 0.6 s after its "time" was over
    ok, speed = client.hear()
    assert ok and np.linalg.norm(speed) == 0.0
    assert client.hear()[0][0] == pytest.approx(0.1, abs=1e-6)
    assert np.linalg.norm(client.hear()[0]) == 0.0


def test_the_shared_state_resets_the_arm_and_the_fingers(fresh):
    q = tuple(angle + 0.1 for angle in HOME)
    fresh.shared.reset(q, 0.03)
    arm = fresh.shared.read_arm()
    np.testing.assert_allclose(arm.q, q)
    assert arm.opening_m == pytest.approx(0.03) and not any(arm.qd)
    assert time.monotonic() - arm.stamp_s < 0.5


def gripper_session(address):
    link = socket.create_connection((address, 63352), 2)

    def ask(line):
        link.sendall(line.encode() + b"\n")
        return link.recv(1024)

    return ask


def test_gripper_moves_at_its_speed_and_stops_at_an_object(fresh):
    ask = gripper_session(fresh.address)
    assert ask("GET STA") == b"STA 3\n" and ask("GET POS") == b"POS 0\n"
    assert ask("SET POS 255 SPE 255 FOR 50 GTO 1") == b"ack"  # no newline, as the device
    assert ask("GET OBJ") == b"OBJ 0\n" and ask("GET PRE") == b"PRE 255\n"
    start, before = time.monotonic(), fresh.state()
    time.sleep(0.1)
    after = fresh.state()
    ran = after["cycle"] - before["cycle"] - (after["skipped_cycles"] - before["skipped_cycles"])
    closed = before["opening_m"] - after["opening_m"]
    assert closed == pytest.approx(0.150 * 0.008 * ran, abs=0.0015)  # 150 mm/s
    while ask("GET OBJ") == b"OBJ 0\n":
        fresh.shared.report(1.0, 0.017)  # something 17 mm wide
        assert time.monotonic() - start < 3.0
        time.sleep(0.01)
    assert ask("GET OBJ") == b"OBJ 2\n" and ask("GET POS") == b"POS 204\n"  # 255 (1 - 17 / 85)
    state = fresh.shared.read_arm()
    assert state.opening_m == pytest.approx(0.017)
    assert state.grip_n == pytest.approx(62.16, abs=0.01)  # 20 + (235 - 20) 50 / 255
    fresh.shared.report(0.0)
    ask("SET POS 100")
    time.sleep(0.5)
    assert ask("GET OBJ") == b"OBJ 3\n" and ask("GET POS") == b"POS 100\n"
    assert ask("SET XYZ 3") == b"nack" and ask("nonsense") == b"nack"


def test_taken_address_or_name_and_a_clean_end():
    with Cell() as cell:
        command = [sys.executable, "-m", "kovis_sim.ur_controller", "--address", cell.address, "--state"]
        again = subprocess.run([*command, "other"], cwd=ROOT, capture_output=True, text=True, timeout=20)
        assert again.returncode == 1 and "cannot listen" in again.stderr and "choose another" in again.stderr
        again = subprocess.run([*command, cell.name], cwd=ROOT, capture_output=True, text=True, timeout=20)
        assert again.returncode == 1 and "belongs to a running controller" in again.stderr
        assert cell.ask("nonsense")["ok"] is False
        assert "known actions" in cell.ask("slider")["error"]
        cell.process.send_signal(signal.SIGINT)
        assert cell.process.wait(timeout=5) == 0
        assert not cell.shared.path.exists()


def test_a_package_counts_from_its_arrival_not_from_when_it_is_taken_up():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sender:
        link, _ = listener.accept()
        with link:
            stamp(link)
            before = time.monotonic()
            sender.sendall(b"package")
            sent = time.monotonic()
            time.sleep(0.1)
            data, came_s = arrived(link)
    assert data == b"package" and before - 0.002 <= came_s <= sent + 0.02
