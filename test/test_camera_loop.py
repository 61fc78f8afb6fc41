"""The loop that keeps a camera running, on a clock that only the test moves."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from kovis_ros.drivers.camera_errors import CameraError, CameraLostError, RecordingEndedError
from kovis_ros.drivers.camera_loop import CameraLoop, Patience, State
from kovis_ros.drivers.camera_modes import Mode
from kovis_ros.drivers.realsense import Setup
from kovis_ros.drivers.stereo_pairs import StereoPair

WIDE = Mode(848, 480, 30)
IMAGE = np.zeros((4, 4), np.uint8)


class PlayedCamera:
    """Opens and reads what the test says: an exception is raised, anything else returned."""

    def __init__(self):
        self.dropped, self.answers, self.opening, self.closed = Counter(), [], None, 0
        self.now = 100.0

    def open(self):
        if isinstance(self.opening, Exception):
            raise self.opening
        return Setup("D435", "1", "3.2", WIDE, np.eye(3), 0.05, "off", ("look out",))

    def read(self, timeout_s):
        answer = self.answers.pop(0) if self.answers else None
        self.now += 0.03 if answer is not None else timeout_s
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed += 1


@pytest.fixture
def played(monkeypatch):
    camera, told = PlayedCamera(), []
    loop = CameraLoop(camera, Patience(), lambda urgent, line: told.append((urgent, line)), now=lambda: camera.now)
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(camera, "now", camera.now + seconds))
    return camera, loop, told


def pair(age_s=0.01):
    return StereoPair(1, 10**9, 10**9 + round(age_s * 1e9), IMAGE, IMAGE)


def steps(camera, loop, seconds):
    until, made = camera.now + seconds, 0
    while camera.now < until:
        made += loop.step() is not None
        camera.now += 0.001
    return made


def test_without_a_camera_it_says_so_every_five_seconds(played):
    camera, loop, told = played
    camera.opening = CameraError("no camera; plug it in")
    steps(camera, loop, 21.0)
    assert told == [(True, "no camera; plug it in")] * 5 and loop.state == State.WAITING
    camera.opening = None
    camera.answers = [pair()]
    assert steps(camera, loop, 0.6) == 1 and loop.state == State.STREAMING and loop.trouble == ""
    assert told[5:7] == [(True, "look out"), (False, loop.describe())]
    assert loop.describe() == ("ready: D435 1 on USB 3.2, infrared 848x480 at 30 Hz, baseline 50.0 mm, emitter off")


def test_unplugged_and_silent_cameras_are_opened_again(played):
    camera, loop, told = played
    camera.answers = [pair(), CameraLostError("the camera was unplugged")]
    steps(camera, loop, 0.2)
    assert loop.state == State.WAITING and loop.trouble == "the camera was unplugged" and camera.closed == 1
    camera.answers = [pair()]
    steps(camera, loop, 1.0)
    assert loop.state == State.STREAMING and loop.starts == 2
    camera.dropped["unmatched"] = 7
    steps(camera, loop, 2.0)
    assert loop.starts == 3 and "no stereo pair for 1 s (dropped so far: unmatched 7)" in loop.trouble
    steps(camera, loop, 6.0)
    assert loop.starts == 4 and "no stereo pair for 5 s" in loop.trouble  # the first pair may take longer


def test_the_time_that_its_caller_takes_is_not_the_cameras(played):
    camera, loop, _ = played
    camera.answers = [pair()]
    steps(camera, loop, 0.2)
    camera.now += 3.0
    assert loop.step() is None and (loop.state, loop.starts) == (State.STREAMING, 1)
    steps(camera, loop, 2.0)
    assert loop.starts == 2


def test_any_error_of_the_library_is_a_lost_camera(played):
    camera, loop, _ = played
    camera.answers = [pair(), RuntimeError("xioctl failed")]
    steps(camera, loop, 0.2)
    assert loop.state == State.WAITING and loop.trouble == "xioctl failed"


def test_pairs_that_are_too_old_are_dropped(played):
    camera, loop, _ = played
    camera.answers = [pair(), pair(0.6), pair(0.4)]
    assert steps(camera, loop, 0.2) == 2 and camera.dropped == {"old": 1}


@pytest.mark.parametrize("repeat", [True, False])
def test_a_recording_ends_or_begins_again(played, repeat):
    camera, loop, told = played
    loop.repeat = repeat
    camera.answers = [pair(), RecordingEndedError("x.db3 was played to its end")]
    steps(camera, loop, 0.3)
    assert loop.state == (State.STARTING if repeat else State.ENDED)
    assert (told[-1] == (False, "x.db3 was played to its end")) != repeat


def test_a_recording_without_a_pair_is_not_played_for_ever(played):
    camera, loop, told = played
    camera.answers = [RecordingEndedError("x.db3 was played to its end")]
    steps(camera, loop, 1.0)
    assert loop.state == State.ENDED and told[-1] == (
        True,
        "x.db3 was played to its end, no complete stereo pair is in it",
    )
