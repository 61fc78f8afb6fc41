"""Cameras without hardware through the real pyrealsense2: software devices, and recordings made of them."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyrealsense2 as rs

MODES = ((848, 480, 30), (848, 480, 60), (640, 480, 30), (640, 480, 90))
OPTIONS = {  # low, high, step, default, as a D435 has them
    "emitter_enabled": (0, 2, 1, 1),
    "laser_power": (0, 360, 30, 150),
    "enable_auto_exposure": (0, 1, 1, 1),
    "exposure": (20, 166000, 20, 8500),
    "gain": (16, 248, 1, 16),
}
SIDES = (1, 2)
_SERIALS = itertools.count(1)


def texture(size=(480, 848), seed=0):
    """(H, W) uint8 that differs in every pixel row, cheap to make and small in a recording."""
    rows = (np.arange(size[0]) * 7 + seed * 13) % 200 + 20
    return np.repeat(rows[:, None], size[1], 1).astype(np.uint8)


class SoftwareCamera:
    """A D435 look-alike; `push` and `pair` send images through the library to whoever has opened it."""

    def __init__(self, serial="", modes=MODES, usb="3.2", sides=SIDES, options=OPTIONS, read_only=(), depth=False):
        self.serial = serial or f"SW{next(_SERIALS):04d}"
        self.device = rs.software_device()
        self.device.create_matcher(rs.matchers.default)
        key = rs.camera_info
        about = {key.name: "Intel RealSense D435", key.serial_number: self.serial, key.usb_type_descriptor: usb}
        for name, value in about.items():
            self.device.register_info(name, value)
        self.sensor = self.device.add_sensor("Stereo Module")
        self.sensor.set_metadata(rs.frame_metadata_value.actual_fps, 0)  # 0: the mode's; else nonsense is computed
        self.profiles: dict[tuple[Any, int], Any] = {}
        for mode in modes:
            for index in sides:
                self.profiles[mode, index] = self._add(mode, index)
            if len(sides) == 2:
                self.profiles[mode, 1].register_extrinsics_to(self.profiles[mode, 2], _baseline(-0.05))
        if depth:
            self.profiles[modes[0], 0] = self._add(modes[0], 0, rs.stream.depth, rs.format.z16, 2)
        for name, (low, high, step, default) in options.items():
            limits = rs.option_range()
            limits.min, limits.max, limits.step, limits.default = low, high, step, default
            self.sensor.add_option(getattr(rs.option, name), limits, True)
        for name, value in read_only:
            self.sensor.add_read_only_option(getattr(rs.option, name), value)
        self.mode = modes[0]

    def _add(self, mode, index, kind=rs.stream.infrared, form=rs.format.y8, bytes_per_pixel=1):
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fmt = kind, index, index + 10, form
        stream.width, stream.height, stream.fps = mode
        stream.bpp, stream.intrinsics = bytes_per_pixel, _intrinsics(mode)
        return self.sensor.add_video_stream(stream, True).as_video_stream_profile()

    def context(self, library):
        """A context that lists this camera alone."""
        return listing(self)

    def option(self, name):
        return self.sensor.get_option(getattr(rs.option, name))

    def push(self, side, number, camera_ms, image=None, domain=rs.timestamp_domain.hardware_clock):
        """One image of side 1 or 2; 0 is depth."""
        profile = self.profiles[self.mode, side]
        image = texture((self.mode[1], self.mode[0]), number) if image is None else image
        frame = rs.software_video_frame()
        image = image.astype(np.uint16) if side == 0 else image
        frame.pixels, frame.stride, frame.bpp = image, image.shape[1] * image.itemsize, image.itemsize
        frame.timestamp, frame.domain, frame.frame_number, frame.profile = camera_ms, domain, number, profile
        self.sensor.on_video_frame(frame)

    def pair(self, number, camera_ms=None, **more):
        """Both images of one exposure."""
        for side in SIDES:
            self.push(side, number, 1000.0 + number * 1e3 / self.mode[2] if camera_ms is None else camera_ms, **more)

    def metadata(self, **values):
        """Say this with all images from now on."""
        for name, value in values.items():
            self.sensor.set_metadata(getattr(rs.frame_metadata_value, name), value)


class Streaming:
    """Sends pairs from a thread at the camera's rate, stamped on the host's clock; use it in a `with`."""

    def __init__(self, camera, rate_hz=30.0, images=None):
        self.camera, self.rate_hz, self.sent = camera, rate_hz, 0
        self.images = images or [texture((camera.mode[1], camera.mode[0]), seed) for seed in range(8)]
        self.pausing, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()

    def _run(self):
        due = time.monotonic()
        while not self._stopping.is_set():
            if not self.pausing.is_set():
                image = self.images[self.sent % len(self.images)]
                domain = rs.timestamp_domain.global_time
                self.camera.pair(self.sent, time.time() * 1e3, image=image, domain=domain)
                self.sent += 1
            due = max(due + 1.0 / self.rate_hz, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))


def listing(*cameras):
    """A context that lists these cameras: it forgets them unless somebody holds the lists of its callback."""
    context = rs.context()
    context.set_devices_changed_callback(lambda change: _HELD.append(change.get_new_devices()))
    for camera in cameras:
        camera.device.add_to(context)
    return context


_HELD: list[Any] = []


def record(path: Path, pairs=12, rate_hz=30.0, sides=SIDES, mode=(848, 480, 30), images=None, **more):
    """Write a recording of so many pairs with the library's recorder; number k is `texture(..., k)`.

    Uncompressed: a camera's images need no unpacking either, and on two cores it takes a third of the keypoints' rate.

    images(k, side): another image for number k.
    """
    camera = SoftwareCamera(modes=(mode,), sides=sides, **more)
    camera.metadata(actual_exposure=7000, gain_level=20)
    recorder = rs.recorder(str(path), camera.device, False)
    sensor = recorder.query_sensors()[0]
    sensor.open(list(sensor.get_stream_profiles()))
    sensor.start(rs.frame_queue(4 * pairs))
    begun = time.monotonic()
    for number in range(pairs):
        for _, side in camera.profiles:
            image = images(number, side) if images else None
            camera.push(side, number, 1000.0 + number * 1e3 / rate_hz, image=image)
        time.sleep(max(0.0, begun + (number + 1) / rate_hz - time.monotonic()))  # played as slowly as it was pushed
    sensor.stop()
    sensor.close()
    return camera


def _intrinsics(mode):
    """58.9 deg over 480 rows, as a D435 has at 848x480."""
    found = rs.intrinsics()
    found.width, found.height = mode[:2]
    found.fx = found.fy = 425.0
    found.ppx, found.ppy = mode[0] / 2 - 0.5, mode[1] / 2 - 0.5
    found.model, found.coeffs = rs.distortion.brown_conrady, [0.0] * 5
    return found


def _baseline(x_m):
    found = rs.extrinsics()
    found.rotation, found.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [x_m, 0, 0]
    return found
