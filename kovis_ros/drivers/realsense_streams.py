"""Which RealSense device, sensor and streams: found, or one line why not.

``rs`` is the vendor's module, imported by `realsense`; devices, sensors and profiles are its objects.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers.camera_errors import CameraError
from kovis_ros.drivers.camera_modes import Mode, listed

USB_DEVICES = Path("/sys/bus/usb/devices")
Modes = dict[Mode, tuple[Any, Any]]  # left and right profile


def info(rs: Any, device: Any, name: str) -> str:
    """A device's name, serial_number ...; empty where it does not say."""
    key = getattr(rs.camera_info, name)
    return str(device.get_info(key)) if device.supports(key) else ""


def find(rs: Any, context: Any, serial: str) -> Any:
    """The device of this serial number; without one, the only device that has an infrared pair."""
    devices, faults = _devices(context)
    names = [f"{info(rs, device, 'serial_number')} ({info(rs, device, 'name')})" for device in devices]
    if not devices:
        raise CameraError(f"no camera; {faults[0] if faults else _missing()}")
    if serial:
        for device in devices:
            if info(rs, device, "serial_number") == serial:
                return device
        raise CameraError(
            f"camera {serial} is not connected: there is {', '.join(names)}; correct the parameter serial"
        )
    stereo = [device for device in devices if infrared(rs, device)[1]]
    if len(stereo) > 1:
        raise CameraError(
            f"{len(devices)} cameras, {', '.join(names)}: set the parameter serial to the one on the wrist"
        )
    return stereo[0] if stereo else devices[0]


def _devices(context: Any) -> tuple[list[Any], list[str]]:
    """Devices that can be opened, and why the others cannot."""
    found, faults = [], []
    listing = context.query_devices()
    for i in range(len(listing)):
        try:
            found.append(listing[i])
        except RuntimeError as error:
            faults.append(explain(error))
    return found, faults


def infrared(rs: Any, device: Any) -> tuple[Any, Modes]:
    """Sensor of the 8-bit infrared pair, and its modes; (None, {}) if there is none."""
    for sensor in device.query_sensors():
        sides: dict[Mode, dict[int, Any]] = {}
        for profile in sensor.get_stream_profiles():
            if profile.stream_type() == rs.stream.infrared and profile.format() == rs.format.y8:
                video = profile.as_video_stream_profile()
                mode = Mode(video.width(), video.height(), video.fps())
                sides.setdefault(mode, {})[profile.stream_index()] = video
        pairs = {mode: (both[1], both[2]) for mode, both in sides.items() if {1, 2} <= set(both)}
        if pairs:
            return sensor, pairs
    return None, {}


def no_pair(rs: Any, device: Any, recording: str) -> CameraError:
    """What a device or recording has instead of an infrared pair."""
    profiles = [profile for sensor in device.query_sensors() for profile in sensor.get_stream_profiles()]
    streams = sorted({f"{p.stream_name()} ({p.format().name.upper()})" for p in profiles})
    remedy = (
        "record Infrared 1 and Infrared 2 as Y8" if recording else "a D400 camera with two infrared imagers is needed"
    )
    what = recording or f"camera {info(rs, device, 'name')}"
    return CameraError(f"{what} has no pair of infrared streams, it has {', '.join(streams) or 'nothing'}: {remedy}")


def choose(rs: Any, device: Any, modes: Modes, wanted: Mode) -> Mode:
    """The wanted mode; CameraError lists what there is, which on USB 2 is less."""
    if wanted in modes:
        return wanted
    usb = info(rs, device, "usb_type_descriptor")
    link = f" on USB {usb}" if usb else ""
    cable = "use a USB 3 port and cable, or " if usb.startswith("2") else ""
    raise CameraError(
        f"mode {wanted} is not there, {info(rs, device, 'name')}{link} has {listed(modes)}: "
        f"{cable}set the parameter mode to one of them"
    )


def calibration(left: Any, right: Any) -> tuple[npt.NDArray[np.float64], float, list[str]]:
    """K (3, 3) in pixels, baseline in metres (the library's is -0.05), and what is odd about them."""
    a, b = left.get_intrinsics(), right.get_intrinsics()
    K = np.array([[a.fx, 0, a.ppx], [0, a.fy, a.ppy], [0, 0, 1]], float)
    baseline_m = abs(float(left.get_extrinsics_to(right).translation[0]))
    if not 0.005 < baseline_m < 0.5 or a.fx <= 0.0:
        raise CameraError(f"calibration has fx {a.fx:.1f} px and baseline {baseline_m:.4f} m: calibrate the camera")
    warnings = []
    if any(abs(value) > 1e-6 for value in (*a.coeffs, *b.coeffs)):
        warnings.append(f"images are not rectified (distortion {list(a.coeffs)}): keypoints will be off")
    if max(abs(a.fx - b.fx), abs(a.ppx - b.ppx), abs(a.ppy - b.ppy)) > 0.5:
        warnings.append(f"intrinsics differ (fx {a.fx:.1f} and {b.fx:.1f} px): calibrate the camera")
    return K, baseline_m, warnings


def on_usb(devices: Path = USB_DEVICES) -> list[str]:
    """Names of the RealSense cameras that the kernel sees, whether the library may open them or not."""
    found = []
    for file in devices.glob("*/product"):
        with suppress(OSError):
            found.append(file.read_text().strip())
    return sorted(name for name in found if "RealSense" in name)


def _missing(devices: Path = USB_DEVICES) -> str:
    seen = on_usb(devices)
    if not seen:
        return "none is connected: plug it in"
    return (
        f"{', '.join(seen)} is on USB but may not be opened: install librealsense's udev rules and replug it, "
        "in a container pass /dev/bus/usb and /dev/video*"
    )


def explain(error: RuntimeError) -> str:
    """The library's exception as one line with a remedy."""
    text = " ".join(str(error).split())
    if any(word in text.lower() for word in ("busy", "in use", "is streaming")):
        return f"the camera is used by another program ({text}): close the RealSense viewer or the other node"
    return f"the camera cannot be started ({text}): replug it, into a USB 3 port"
