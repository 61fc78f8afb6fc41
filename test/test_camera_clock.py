"""The camera's stamps mapped to the host's time."""

from __future__ import annotations

import numpy as np

from kovis_ros.drivers.camera_clock import CameraClock

MS = 1_000_000


def test_global_time_is_taken_as_it_is():
    clock = CameraClock()
    assert clock.captured(1_700_000_000_000.0, "global_time", 1_700_000_000_012 * MS) == 1_700_000_000_000 * MS
    assert clock.source == "global time"


def test_global_time_that_cannot_be_is_mapped_by_arrival():
    """The host's clock was set back by an hour: the library takes a while to notice."""
    clock = CameraClock()
    assert clock.captured(3_600_000.0 + 1000.0, "global_time", 1010 * MS) == 1010 * MS
    assert clock.source == "global time, mapped"


def test_hardware_clock_is_mapped_by_the_quickest_transport(rng):
    """Arrival = camera + 5 s + 4 ms + jitter of 0..20 ms; the stamp is camera + 5 s + 4 ms to within 1 ms, never later
    than arrival, although the camera's clock drifts by 50 ppm."""
    clock, errors = CameraClock(), []
    for k in range(900):
        host_ms = 5000.0 + k * 33.3
        arrived_ns = round((host_ms + 4.0 + rng.uniform(0.0, 20.0)) * MS)
        captured_ns = clock.captured(k * 33.3 * (1.0 + 50e-6), "hardware_clock", arrived_ns)
        assert captured_ns <= arrived_ns
        errors.append(captured_ns / MS - host_ms - 4.0)
    assert 0.0 <= np.median(errors[300:]) < 1.0 and max(errors[300:]) < 1.0
    assert clock.source == "hardware clock, mapped"


def test_hardware_clock_wraps_after_71_minutes():
    clock = CameraClock()
    wrap_ms = 2**32 / 1000.0
    assert clock.captured(wrap_ms - 33.0, "hardware_clock", 5000 * MS) == 5000 * MS
    assert clock.captured(0.3, "hardware_clock", 5034 * MS) == 5034 * MS


def test_a_recording_is_stamped_now_whatever_its_clock():
    clock = CameraClock(host=False)
    for late in (0, 40, 900):
        now = (1_700_000_000_000 + late) * MS
        assert clock.captured(1_600_000_000_000.0, "global_time", now) == now
    assert clock.source == "arrival"
