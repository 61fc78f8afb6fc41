"""RealSense infrared pair: the only module that imports ``pyrealsense2``.

Sensors are used, not the library's pipeline: starting a pipeline without a camera holds the whole interpreter for
15 s, waiting on one hides an unplugged camera as long, and where an image is lost it pairs the next one with an
older one. One thread owns an object of this class; the library's own threads only set events.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers import realsense_options, realsense_streams
from kovis_ros.drivers.camera_clock import CameraClock
from kovis_ros.drivers.camera_errors import CameraError, CameraLostError, RecordingEndedError
from kovis_ros.drivers.camera_modes import Mode, listed
from kovis_ros.drivers.realsense_options import Light
from kovis_ros.drivers.stereo_pairs import Frame, FramePairs, StereoPair

INSTALL = "pip install 'kovis_ros[realsense]' (pyrealsense2)"
PLAYING_S = 1.0
QUEUE = 16  # images that wait in the library; the oldest is lost then, and counted


class Setup(NamedTuple):
    """An opened camera or recording."""

    name: str
    serial: str
    usb: str  # "3.2", "2.1"; empty where unknown
    mode: Mode
    K: npt.NDArray[np.float64]  # (3, 3) of both rectified images, pixels
    baseline_m: float
    emitter: str  # on, off, none
    warnings: tuple[str, ...]


class RealSense:
    """One camera by serial number, or a recording. `open`, then `read` again and again, `close`; open again at will.

    connect: makes the library's context from its module; tests give one that holds software devices.
    """

    def __init__(
        self,
        mode: Mode,
        light: Light,
        serial: str = "",
        recording: str = "",
        connect: Callable[[Any], Any] = lambda rs: rs.context(),
    ) -> None:
        self.mode, self.light, self.serial, self.recording = mode, light, serial.lstrip("_"), recording
        self.rs = library()
        self.dropped: Counter[str] = Counter()
        self.clock = CameraClock()
        self._removed, self._playing, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._device: Any = None
        self._sensor: Any = None
        self._context = connect(self.rs)
        self._context.set_devices_changed_callback(self._on_change)

    def check(self) -> None:
        """CameraError for a recording that cannot be played: that will not change, as a missing camera may."""
        if self.recording:
            self._pair_of(self._load())

    def open(self) -> Setup:
        """Find, set up and start; returns what was found. CameraError says why not: try again later."""
        self._removed.clear()
        try:
            if self.recording:
                self._device = self._load()
            else:
                self._device = realsense_streams.find(self.rs, self._context, self.serial)
            return self._start(self._device)
        except RuntimeError as error:
            self.close()
            raise error if isinstance(error, CameraError) else CameraError(realsense_streams.explain(error)) from None

    def read(self, timeout_s: float) -> StereoPair | None:
        """The next pair; None if none is complete yet, at the latest after ``timeout_s``.

        CameraLostError when the camera was unplugged, RecordingEndedError after the last image of a recording.
        """
        if self._removed.is_set():
            raise CameraLostError("the camera was unplugged: plug it in again")
        ok, frame = self._queue.try_wait_for_frame(round(timeout_s * 1e3))
        if ok:
            pair = self._pairs.add(self._plain(frame, time.time_ns()))
            return self._stamped(*pair) if pair else None
        if self._ended.is_set():
            raise RecordingEndedError(f"{self.recording} was played to its end")
        return None

    def close(self) -> None:
        """Stop and let go; never raises, as a camera that is gone cannot be stopped either."""
        sensor, self._sensor = self._sensor, None
        if sensor is not None:
            if self.recording:
                self._playing.wait(PLAYING_S)  # the library crashes when it is stopped before it plays
            for end in (sensor.stop, sensor.close):
                with suppress(RuntimeError):
                    end()
        self._device = None  # last: without it a recording neither plays nor says so

    def _load(self) -> Any:
        """The playback device of the recording."""
        if not Path(self.recording).is_file():
            raise CameraError(f"recording {self.recording} is no file: check the path")
        with suppress(RuntimeError):
            self._context.unload_device(self.recording)
        try:
            device = self._context.load_device(self.recording).as_playback()
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise CameraError(
                f"{self.recording} is no RealSense recording (.db3 or .bag) or damaged ({reason})"
            ) from None
        playing, ended = self._playing, self._ended = threading.Event(), threading.Event()

        def on_status(status: Any) -> None:  # of this playback alone: the one before may still say that it stopped
            if status == self.rs.playback_status.stopped:
                ended.set()
            playing.set()

        device.set_status_changed_callback(on_status)
        return device

    def _start(self, device: Any) -> Setup:
        sensor, modes = self._pair_of(device)
        mode = self._mode(device, modes)
        left, right = modes[mode]
        K, baseline_m, warnings = realsense_streams.calibration(left, right)
        emitter = self._set_up(device, sensor, modes, warnings)
        self.clock = CameraClock(host=not self.recording)
        self._pairs, self._newest_ns = FramePairs(self.dropped), 0
        self._queue = self.rs.frame_queue(QUEUE)
        sensor.open([left, right])
        self._sensor = sensor
        sensor.start(self._queue)
        name, serial, usb = (self._info(device, key) for key in ("name", "serial_number", "usb_type_descriptor"))
        return Setup(name, serial, usb, mode, K, baseline_m, emitter, tuple(warnings))

    def _pair_of(self, device: Any) -> tuple[Any, realsense_streams.Modes]:
        sensor, modes = realsense_streams.infrared(self.rs, device)
        if not modes:
            raise realsense_streams.no_pair(self.rs, device, self.recording)
        return sensor, modes

    def _mode(self, device: Any, modes: realsense_streams.Modes) -> Mode:
        """Ours; a recording has but its own."""
        return next(iter(modes)) if self.recording else realsense_streams.choose(self.rs, device, modes, self.mode)

    def _set_up(self, device: Any, sensor: Any, modes: realsense_streams.Modes, warnings: list[str]) -> str:
        """Emitter and exposure, which a recording only tells; returns the emitter's state."""
        if self.recording:
            emitter = realsense_options.emitter_state(self.rs, sensor)
            if emitter == "on":
                warnings.append("recorded with the emitter on: its dots are in the images")
            return emitter
        emitter, more = realsense_options.apply(self.rs, sensor, self.light)
        warnings += more
        usb = self._info(device, "usb_type_descriptor")
        if usb.startswith("2"):
            warnings.append(f"the camera is on USB {usb}, left are {listed(modes)}: use a USB 3 port and cable")
        return emitter

    def _plain(self, frame: Any, arrived_ns: int) -> Frame:
        """Copy an image out of the library at once: images that are held starve the camera."""
        key = self.rs.frame_metadata_value
        image = np.array(frame.get_data(), np.uint8)

        def value(name: Any) -> int:
            return int(frame.get_frame_metadata(name)) if frame.supports_frame_metadata(name) else -1

        return Frame(
            frame.profile.stream_index() - 1, frame.get_frame_number(), frame.get_timestamp(),
            frame.get_frame_timestamp_domain().name, arrived_ns, image, value(key.actual_exposure),
            value(key.gain_level), value(key.frame_emitter_mode) > 0,
        )  # fmt: skip

    def _stamped(self, left: Frame, right: Frame) -> StereoPair | None:
        """The pair on the host's clock; None, counted, when its stamp is not newer or the emitter was on."""
        captured_ns = self.clock.captured(left.camera_ms, left.domain, left.arrived_ns)
        if captured_ns <= self._newest_ns:
            self.dropped["stamp not newer"] += 1
            return None
        self._newest_ns = captured_ns
        if left.lit and self.light.emitter_off and not self.recording:
            self.dropped["emitter on"] += 1
            return None
        arrived_ns = max(left.arrived_ns, right.arrived_ns)
        return StereoPair(
            left.number, captured_ns, arrived_ns, left.image, right.image, left.exposure_us, left.gain, left.lit
        )

    def _info(self, device: Any, name: str) -> str:
        return realsense_streams.info(self.rs, device, name)

    def _on_change(self, change: Any) -> None:
        """Called by a thread of the library, where an exception would vanish."""
        device = self._device
        with suppress(Exception):
            if device is not None and not self.recording and change.was_removed(device):
                self._removed.set()


def library() -> Any:
    """The vendor's module; CameraError with the install line where it is missing."""
    try:
        import pyrealsense2
    except ModuleNotFoundError:
        raise CameraError(f"pyrealsense2 is not installed: {INSTALL}") from None
    except ImportError as error:
        raise CameraError(f"pyrealsense2 does not load ({error}): apt-get install libusb-1.0-0 libudev1") from None
    return pyrealsense2
