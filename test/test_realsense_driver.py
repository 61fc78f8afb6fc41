"""The camera's driver through the real pyrealsense2 without a camera.

Software devices serve for everything but plugging and unplugging, which a camera on the library's own network does.
"""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kovis_ros.drivers.camera_errors import CameraError, RecordingEndedError
from kovis_ros.drivers.camera_loop import CameraLoop, Patience, State
from kovis_ros.drivers.camera_modes import Mode
from kovis_ros.drivers.realsense import RealSense
from kovis_ros.drivers.realsense_options import Light

WIDE = Mode(848, 480, 30)
MS = 1_000_000
BAG = Path(__file__).with_name("data") / "infrared.bag"
NETWORK = Path(__file__).with_name("dds_realsense.py")


def test_a_missing_library_is_one_line_with_the_remedy(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "pyrealsense2":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(CameraError, match=r"pyrealsense2 is not installed: pip install 'kovis_ros\[realsense\]'"):
        RealSense(WIDE, Light())


# through the library

needs_library = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import pyrealsense2"], capture_output=True).returncode != 0,
    reason="pyrealsense2 does not load: pip install pyrealsense2, apt-get install libusb-1.0-0",
)


@pytest.fixture
def rig(monkeypatch, tmp_path):
    """The module of software cameras; the library writes a usage report into the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    import camera_rig

    return camera_rig


def opened(camera, mode=WIDE, light=None, serial=""):
    driver = RealSense(mode, light or Light(), serial, connect=camera.context)
    return driver, driver.open()


def drain(driver):
    """All pairs that wait in the library."""
    found, waiting = [], True
    while waiting:
        begun = time.monotonic()
        made = driver.read(0.05)
        found += [made] if made is not None else []
        waiting = made is not None or time.monotonic() - begun < 0.04
    return found


@needs_library
def test_an_opened_camera_tells_what_it_is(rig):
    camera = rig.SoftwareCamera(modes=[WIDE, Mode(640, 480, 90)])
    driver, setup = opened(camera)
    assert setup[:4] == ("Intel RealSense D435", camera.serial, "3.2", WIDE) and setup.emitter == "off"
    assert setup.K.tolist() == [[425.0, 0.0, 423.5], [0.0, 425.0, 239.5], [0.0, 0.0, 1.0]]
    assert setup.baseline_m == pytest.approx(0.05) and setup.warnings == ()
    driver.close()
    driver.mode = Mode(640, 480, 90)
    assert driver.open().K[0, 2] == 319.5  # opens again, in another mode
    driver.close()


@needs_library
@pytest.mark.parametrize("size", [(848, 480), (640, 480)])
def test_every_mode_of_the_task_opens_and_gives_its_size(rig, size):
    modes = [Mode(*size, rate_hz) for rate_hz in (30, 60, 90)]
    camera = rig.SoftwareCamera(modes=modes)
    for mode in modes:
        driver, setup = opened(camera, mode)
        camera.mode = mode
        camera.pair(0)
        assert setup.mode == mode and [p.left.shape for p in drain(driver)] == [(480, size[0])]
        driver.close()


@needs_library
def test_pairs_come_whole_and_by_the_lost_one_nothing_is_mixed(rig):
    camera = rig.SoftwareCamera()
    driver, _ = opened(camera)
    for number in range(6):
        camera.push(1, number, 1000.0 + 33.3 * number)
        if number != 3:
            camera.push(2, number, 1000.0 + 33.3 * number, rig.texture(seed=number + 100))
    found = drain(driver)
    assert [p.number for p in found] == [0, 1, 2, 4, 5] and driver.dropped == {"unmatched": 1}
    for p in found:
        assert np.array_equal(p.left, rig.texture(seed=p.number))
        assert np.array_equal(p.right, rig.texture(seed=p.number + 100))
        assert p.left.dtype == np.uint8 and p.left.flags.owndata and 0.0 <= p.age_s < 2.0
    assert all(b.captured_ns > a.captured_ns for a, b in zip(found, found[1:], strict=False))
    driver.close()


@needs_library
def test_pairs_keep_coming_at_90_hz(rig):
    """The least of one core: what is lost on a busy machine is counted, and nothing is mixed."""
    camera = rig.SoftwareCamera(modes=[Mode(848, 480, 90)])
    driver, _ = opened(camera, Mode(848, 480, 90))
    with rig.Streaming(camera, 90.0) as stream:
        found, until = [], time.monotonic() + 1.5
        while time.monotonic() < until:
            found += [made] if (made := driver.read(0.2)) is not None else []
        sent = stream.sent
    driver.close()
    assert len(found) + sum(driver.dropped.values()) >= sent - 20  # 16 may still wait in the library
    assert len(found) > 0.9 * (sent - 20)
    assert np.median([p.age_s for p in found]) < 0.05


@needs_library
def test_the_emitter_is_switched_off_and_checked(rig):
    camera = rig.SoftwareCamera()
    assert camera.option("emitter_enabled") == 1.0
    driver, setup = opened(camera)
    assert camera.option("emitter_enabled") == 0.0 and setup.emitter == "off"
    driver.close()
    camera = rig.SoftwareCamera()
    driver, setup = opened(camera, light=Light(emitter_off=False))
    assert camera.option("emitter_enabled") == 1.0 and setup.emitter == "on"
    driver.close()


@needs_library
def test_an_emitter_that_stays_on_loses_its_power_or_is_refused(rig):
    others = {name: row for name, row in rig.OPTIONS.items() if name != "emitter_enabled"}
    camera = rig.SoftwareCamera(options=others, read_only=[("emitter_enabled", 1.0)])
    driver, setup = opened(camera)
    assert setup.emitter == "off" and camera.option("laser_power") == 0.0
    driver.close()
    del others["laser_power"]
    camera = rig.SoftwareCamera(options=others, read_only=[("emitter_enabled", 1.0)])
    with pytest.raises(
        CameraError, match="emitter of the camera stays on .*: close other programs .* emitter_off:=false"
    ):
        opened(camera)
    camera = rig.SoftwareCamera(options=others)  # a camera without one
    driver, setup = opened(camera)
    assert setup.emitter == "none"
    driver.close()


@needs_library
def test_lit_images_are_refused_while_the_emitter_should_be_off(rig):
    camera = rig.SoftwareCamera()
    driver, _ = opened(camera)
    for number, mode in enumerate((0, 1, 1, 0)):
        camera.metadata(frame_emitter_mode=mode)
        camera.pair(number)
    assert [p.number for p in drain(driver)] == [0, 3] and driver.dropped == {"emitter on": 2}
    driver.close()


@needs_library
def test_exposure_is_set_and_read_back(rig):
    camera = rig.SoftwareCamera()
    camera.metadata(actual_exposure=6000, gain_level=40)
    driver, setup = opened(camera, light=Light(auto_exposure=False, exposure_us=6007, gain=40))
    assert [camera.option(o) for o in ("enable_auto_exposure", "exposure", "gain")] == [0.0, 6000.0, 40.0]
    camera.pair(0)
    assert [(p.exposure_us, p.gain) for p in drain(driver)] == [(6000, 40)] and setup.warnings == ()
    driver.close()
    with pytest.raises(CameraError, match="gain = 900 is out of the camera's range: give 16 to 248"):
        opened(rig.SoftwareCamera(), light=Light(auto_exposure=False, gain=900))
    driver, setup = opened(rig.SoftwareCamera(), light=Light(exposure_limit_us=8000))
    assert setup.warnings == ("the camera has no option auto_exposure_limit: it is left alone",)
    driver.close()


@needs_library
def test_usb_2_says_which_modes_are_left(rig):
    slow = [Mode(640, 480, 15), Mode(480, 270, 30), Mode(480, 270, 15)]
    camera = rig.SoftwareCamera(modes=slow, usb="2.1")
    left = "on USB 2.1 has 640x480 at 15, 480x270 at 15 30: use a USB 3 port and cable, or set the parameter mode"
    with pytest.raises(CameraError, match=f"mode 848x480x30 is not there, .* {left}"):
        opened(camera)
    driver, setup = opened(camera, Mode(640, 480, 15))
    assert setup.warnings[0].startswith("the camera is on USB 2.1, left are 640x480 at 15")
    driver.close()


@needs_library
def test_one_camera_of_two_is_chosen_by_serial(rig):
    cameras = [rig.SoftwareCamera("SERIAL1"), rig.SoftwareCamera("SERIAL2")]
    context = rig.listing(*cameras)
    for serial in ("SERIAL2", "_SERIAL1"):
        driver = RealSense(WIDE, Light(), serial, connect=lambda rs: context)
        assert driver.open().serial == serial.lstrip("_")
        driver.close()
    driver = RealSense(WIDE, Light(), connect=lambda rs: context)
    with pytest.raises(CameraError, match="2 cameras, .*SERIAL2 .*: set the parameter serial"):
        driver.open()
    driver = RealSense(WIDE, Light(), "SERIAL3", connect=lambda rs: context)
    with pytest.raises(CameraError, match="camera SERIAL3 is not connected: there is .*SERIAL1"):
        driver.open()


@needs_library
def test_a_device_without_the_pair_is_named(rig):
    camera = rig.SoftwareCamera(sides=(1,), depth=True)
    with pytest.raises(CameraError, match=r"D435 has no pair of infrared streams, it has Depth \(Z16\), Infrared 1"):
        opened(camera)


@needs_library
def test_a_camera_in_use_is_named(rig):
    camera = rig.SoftwareCamera()
    driver, _ = opened(camera)
    with pytest.raises(CameraError, match="used by another program .*: close the RealSense viewer or the other node"):
        opened(camera)
    driver.close()


@needs_library
def test_no_camera_is_known_at_once_and_holds_nobody_up(rig):
    """The library's pipeline would hold the interpreter for 15 s here: a ticker of 5 ms shows that this does not."""
    driver = RealSense(WIDE, Light())
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.005):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick)
    ticker.start()
    begun = time.monotonic()
    for _ in range(5):
        with pytest.raises(CameraError, match="no camera; "):
            driver.open()
        time.sleep(0.05)
    took_s = time.monotonic() - begun
    done.set()
    ticker.join()
    assert took_s < 2.5 and max(np.diff(ticks)) < 1.0


# recordings


def play(driver):
    found = []
    try:
        until = time.monotonic() + 10.0
        while time.monotonic() < until:
            found += [made] if (made := driver.read(0.2)) is not None else []
    except RecordingEndedError:
        return found
    finally:
        driver.close()
    raise AssertionError("the recording did not end")


@needs_library
def test_a_recording_plays_as_the_camera_did(rig, tmp_path):
    path = tmp_path / "run.db3"
    camera = rig.record(path, pairs=10)
    driver = RealSense(Mode(640, 480, 90), Light(), recording=str(path))  # a recording has its own mode
    setup = driver.open()
    assert setup[:4] == ("Intel RealSense D435", camera.serial, "3.2", WIDE)
    assert setup.baseline_m == pytest.approx(0.05) and setup.K[0, 0] == 425.0
    assert setup.emitter == "on" and setup.warnings == ("recorded with the emitter on: its dots are in the images",)
    begun_ns = time.time_ns()
    found = play(driver)
    assert len(found) >= 8 and len(found) + driver.dropped["lost"] + driver.dropped["unmatched"] >= 9
    for p in found:
        assert np.array_equal(p.left, rig.texture(seed=p.number)) and (p.exposure_us, p.gain) == (7000, 20)
        assert begun_ns - MS * 500 < p.captured_ns <= p.arrived_ns
    driver.open()
    assert play(driver)[0].number == 0  # and once more


@needs_library
def test_a_recording_may_be_stopped_as_soon_as_it_was_started(rig):
    """The library crashes where nobody waits for it to play."""
    driver = RealSense(WIDE, Light(), recording=str(BAG))
    for _ in range(10):
        driver.open()
        driver.close()


@needs_library
def test_an_old_bag_plays_too(rig):
    """Written by librealsense 2.56.5, whose recordings were ROS 1 bags: 6 pairs of 64x48."""
    driver = RealSense(WIDE, Light(), recording=str(BAG))
    assert driver.open().mode == Mode(64, 48, 30)
    found = play(driver)
    assert len(found) >= 4 and all(np.array_equal(p.right, rig.texture((48, 64), p.number)) for p in found)


@needs_library
@pytest.mark.parametrize(("sides", "depth"), [((1,), True), ((), True)])
def test_a_recording_without_the_pair_is_refused(rig, tmp_path, sides, depth):
    path = tmp_path / "depth.db3"
    rig.record(path, pairs=2, sides=sides, depth=depth)
    driver = RealSense(WIDE, Light(), recording=str(path))
    with pytest.raises(CameraError, match=r"depth.db3 has no pair of infrared streams, it has Depth \(Z16\)"
                       r".*: record Infrared 1 and Infrared 2 as Y8"):  # fmt: skip
        driver.check()


@needs_library
def test_files_that_are_no_recordings_are_refused(rig, tmp_path):
    with pytest.raises(CameraError, match="/nowhere.db3 is no file: check the path"):
        RealSense(WIDE, Light(), recording="/nowhere.db3").open()
    for name in ("a.db3", "a.bag", "a.mp4"):
        (tmp_path / name).write_bytes(b"no recording" * 100)
        with pytest.raises(CameraError, match=f"{name} is no RealSense recording .* or damaged"):
            RealSense(WIDE, Light(), recording=str(tmp_path / name)).open()


# plugging and unplugging


class NetworkCamera:
    """`dds_realsense.py`, and the context that finds it."""

    def __init__(self, domain):
        self.domain = domain
        self.process = subprocess.Popen(
            [sys.executable, str(NETWORK), str(domain)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "plugged\n"

    def context(self, library):
        only = {"udp": {"whitelist": ["127.0.0.1"]}, "query-devices-min": 1, "query-devices-max": 2}
        return library.context({"dds": {"enabled": True, "domain": self.domain, **only}})

    def __call__(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()


@needs_library
def test_unplug_and_replug(rig, ros_domain):
    """Noticed within the library's callback, waited for, found again; the emitter is switched off anew."""
    camera = NetworkCamera(100 + ros_domain)
    try:
        driver = RealSense(Mode(424, 240, 30), Light(), "DDS0001", connect=camera.context)
        told = []
        loop = CameraLoop(driver, Patience(image_timeout_s=2.0, retry_s=0.1), lambda _, line: told.append(line))

        def until(condition, seconds=30.0):
            begun = time.monotonic()
            while not condition():
                loop.step()
                assert time.monotonic() - begun < seconds, (loop.state, told)
            return time.monotonic() - begun

        until(lambda: loop.state == State.STREAMING)
        assert json.loads(camera("options"))["Emitter Enabled"] == 0.0
        camera("unplug")
        assert until(lambda: loop.state == State.WAITING) < 5.0
        until(lambda: "no camera" in loop.trouble)
        camera("plug")
        assert json.loads(camera("options"))["Emitter Enabled"] == 1.0  # as a camera that was without power
        until(lambda: loop.state == State.STREAMING)
        assert json.loads(camera("options"))["Emitter Enabled"] == 0.0 and loop.starts == 2
        camera("hang")
        until(lambda: loop.state == State.WAITING)
        assert "no stereo pair for 2 s" in loop.trouble or "unplugged" in loop.trouble
        camera("resume")
        until(lambda: loop.state == State.STREAMING)
        loop.close()
    finally:
        camera.close()
