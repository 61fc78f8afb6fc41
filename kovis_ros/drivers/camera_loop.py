"""Keeps a stereo camera running: waits for one, streams, notices that it is gone or silent, and starts anew.

One thread calls `CameraLoop.step` without end and is the only one to touch the camera; the others look at its fields.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kovis_ros.drivers.camera_errors import CameraError, RecordingEndedError
from kovis_ros.drivers.realsense import Setup
from kovis_ros.drivers.stereo_pairs import StereoPair


class Camera(Protocol):
    """What the loop needs of a camera; see `realsense.RealSense`."""

    dropped: Counter[str]

    def open(self) -> Setup: ...

    def read(self, timeout_s: float) -> StereoPair | None: ...

    def close(self) -> None: ...


class State(Enum):
    WAITING = "waiting for the camera"
    STARTING = "starting"
    STREAMING = "streaming"
    ENDED = "recording ended"


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    image_timeout_s: float = 1.0  # without a pair for so long the camera is started anew
    start_timeout_s: float = 5.0  # the same for the first pair
    max_age_s: float = 0.5  # from capture to arrival; older pairs are dropped
    retry_s: float = 0.5
    remind_s: float = 5.0
    read_s: float = 0.2


class CameraLoop:
    """tell: takes (urgent, line) whenever a person should know; repeat: play a recording again and again."""

    def __init__(
        self,
        camera: Camera,
        patience: Patience,
        tell: Callable[[bool, str], None],
        repeat: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.camera, self.patience, self.tell, self.repeat, self.now = camera, patience, tell, repeat, now
        self.state = State.WAITING
        self.setup: Setup | None = None  # of the camera that is open
        self.trouble = ""  # why there are no images; empty if there are
        self.starts = 0
        self.beat_s = now()  # of the last step: a camera library may hang
        self._left_s = now()  # when the last step came back
        self._pair_s = self._retry_s = self._told_s = -1e9
        self._told = ""

    def step(self) -> StereoPair | None:
        """Open the camera or take a pair from it; comes back within a fraction of a second unless the library hangs."""
        self.beat_s = self.now()
        self._pair_s += self.beat_s - self._left_s  # what others took meanwhile is not the camera's
        try:
            return self._step()
        finally:
            self._left_s = self.now()

    def _step(self) -> StereoPair | None:
        if self.state == State.ENDED:
            time.sleep(self.patience.read_s)
            return None
        if self.setup is None:
            self._open()
            return None
        try:
            pair = self.camera.read(self.patience.read_s)
        except RecordingEndedError as ended:
            self._end(str(ended))
            return None
        except RuntimeError as error:
            self._lost(str(error))
            return None
        return self._accept(pair)

    def close(self) -> None:
        """Stop the camera."""
        self.setup = None
        self.camera.close()

    def _open(self) -> None:
        """Try again once it is time; say every few seconds what is missing."""
        wait_s = self._retry_s - self.now()
        if wait_s > 0.0:
            time.sleep(min(wait_s, self.patience.read_s))
            return
        try:
            self.setup = self.camera.open()
        except CameraError as error:
            self._retry_s = self.now() + self.patience.retry_s
            self._wait(str(error))
            return
        self.starts += 1
        self.state, self._pair_s = State.STARTING, self.now()
        for warning in self.setup.warnings:
            self.tell(True, warning)

    def _accept(self, pair: StereoPair | None) -> StereoPair | None:
        """Watch the age of images; a pair that is too old is none."""
        now, patience = self.now(), self.patience
        limit_s = patience.image_timeout_s if self.state == State.STREAMING else patience.start_timeout_s
        if pair is not None and pair.age_s > patience.max_age_s:
            self.camera.dropped["old"] += 1
            pair = None
        if pair is None:
            if now - self._pair_s > limit_s:
                self._lost(
                    f"no stereo pair for {limit_s:g} s{self._drops()}: it is started anew; replug it if this stays"
                )
            return None
        self._pair_s = now
        if self.state == State.STARTING:
            self.state, self.trouble = State.STREAMING, ""
            self.tell(False, self.describe())
        return pair

    def describe(self) -> str:
        """The open camera in one line."""
        s = self.setup
        assert s is not None
        link = f" on USB {s.usb}" if s.usb else ""
        images = f"infrared {s.mode.width}x{s.mode.height} at {s.mode.rate_hz} Hz, baseline {s.baseline_m * 1e3:.1f} mm"
        return f"ready: {s.name} {s.serial}{link}, {images}, emitter {s.emitter}"

    def _drops(self) -> str:
        drops = ", ".join(f"{cause} {count}" for cause, count in self.camera.dropped.items() if count)
        return f" (dropped so far: {drops})" if drops else ""

    def _lost(self, reason: str) -> None:
        self.close()
        self._retry_s = self.now() + self.patience.retry_s
        self._wait(reason)

    def _wait(self, reason: str) -> None:
        self.state, self.trouble = State.WAITING, reason
        if reason != self._told or self.now() - self._told_s >= self.patience.remind_s:
            self._told, self._told_s = reason, self.now()
            self.tell(True, reason)

    def _end(self, line: str) -> None:
        """At the end of a recording: once more, or no more."""
        self.close()
        empty = self.state == State.STARTING
        if self.repeat and not empty:
            self._retry_s = self.now()
            return
        self.trouble = f"{line}, no complete stereo pair is in it{self._drops()}" if empty else line
        self.state = State.ENDED
        self.tell(empty, self.trouble)
