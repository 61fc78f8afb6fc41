"""Emitter and exposure of a RealSense sensor: set, read back, and what to do where that fails.

``rs`` is the vendor's module and ``sensor`` one of its sensors; `realsense` imports the one and finds the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kovis_ros.drivers.camera_errors import CameraError

EMITTER_REMEDY = (
    "close other programs that use the camera, replug it, update its firmware; "
    "with emitter_off:=false the network gets images with dots, which it was not trained on"
)


@dataclass(frozen=True)
class Light:
    """How the sensor takes its images."""

    emitter_off: bool = True
    auto_exposure: bool = True
    exposure_us: int = 8000  # where not automatic
    gain: int = 16  # where not automatic; 16 is the least of a D435
    exposure_limit_us: int = 0  # of automatic exposure; 0: the camera's own


def apply(rs: Any, sensor: Any, light: Light) -> tuple[str, list[str]]:
    """Set a live sensor up; (state of the emitter, warnings). CameraError where the emitter or a value is refused."""
    option, warnings = rs.option, []
    emitter = _darken(rs, sensor) if light.emitter_off else emitter_state(rs, sensor)
    if sensor.supports(option.global_time_enabled) and not _write(sensor, option.global_time_enabled, 1.0):
        warnings.append("global time cannot be switched on: stamps come from the bare hardware clock")
    wanted = {"enable_auto_exposure": float(light.auto_exposure)}
    if not light.auto_exposure:
        wanted |= {"exposure": float(light.exposure_us), "gain": float(light.gain)}
    elif light.exposure_limit_us:
        wanted["auto_exposure_limit"] = float(light.exposure_limit_us)
    for name, value in wanted.items():
        _set(rs, sensor, name, value, warnings)
    return emitter, warnings


def emitter_state(rs: Any, sensor: Any) -> str:
    """``on``, ``off`` or ``none``, read from the sensor."""
    if not sensor.supports(rs.option.emitter_enabled):
        return "none"
    lit = sensor.get_option(rs.option.emitter_enabled) != 0.0
    if lit and sensor.supports(rs.option.laser_power):
        lit = sensor.get_option(rs.option.laser_power) != 0.0
    return "on" if lit else "off"


def _darken(rs: Any, sensor: Any) -> str:
    """Switch the emitter off; where it refuses, take its power; CameraError if it is on after all."""
    for option in (rs.option.emitter_enabled, rs.option.laser_power):
        if sensor.supports(option):
            _write(sensor, option, 0.0)
        state = emitter_state(rs, sensor)
        if state != "on":
            return state
    raise CameraError(f"the emitter of the camera stays on after it was switched off: {EMITTER_REMEDY}")


def _set(rs: Any, sensor: Any, name: str, value: float, warnings: list[str]) -> None:
    """One option; CameraError for a value out of range, a warning where the camera does not have it or ignores it."""
    option = getattr(rs.option, name)
    if not sensor.supports(option):
        warnings.append(f"the camera has no option {name}: it is left alone")
        return
    limits = sensor.get_option_range(option)
    if not limits.min <= value <= limits.max:
        raise CameraError(f"{name} = {value:g} is out of the camera's range: give {limits.min:g} to {limits.max:g}")
    if limits.step > 0.0:
        value = limits.min + round((value - limits.min) / limits.step) * limits.step  # others are refused
    if not _write(sensor, option, value):
        found = sensor.get_option(option)
        warnings.append(f"{name} is {found:g} after it was set to {value:g}: another program may hold it")


def _write(sensor: Any, option: Any, value: float) -> bool:
    """Set and read back, which tells more than the library's errors."""
    if sensor.is_option_read_only(option):
        return bool(sensor.get_option(option) == value)
    try:
        sensor.set_option(option, value)
    except RuntimeError:
        pass
    return bool(abs(sensor.get_option(option) - value) < max(sensor.get_option_range(option).step, 1e-6))
