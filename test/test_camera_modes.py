"""Camera modes read and listed, and what is on the bus."""

from __future__ import annotations

import pytest

from kovis_ros.drivers import camera_modes, realsense_streams
from kovis_ros.drivers.camera_errors import CameraError
from kovis_ros.drivers.camera_modes import Mode


def test_modes_are_read_and_listed():
    assert camera_modes.parse("640x480x90") == Mode(640, 480, 90) and str(Mode(640, 480, 90)) == "640x480x90"
    modes = [Mode(640, 480, 30), Mode(848, 480, 60), Mode(848, 480, 30), Mode(480, 270, 60)]
    assert camera_modes.listed(modes) == "848x480 at 30 60, 640x480 at 30, 480x270 at 60"
    for text in ("848x480", "848x480x0", "wide", "848x480x30x1", "-1x480x30"):
        with pytest.raises(CameraError, match=f"mode '{text}' is not understood: write width x height x rate"):
            camera_modes.parse(text)


def test_a_camera_that_the_library_may_not_open_is_told_from_none(tmp_path):
    assert realsense_streams._missing(tmp_path) == "none is connected: plug it in"
    for folder, product in (("1-1", "Keyboard"), ("2-3", "Intel(R) RealSense(TM) Depth Camera 435")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "product").write_text(f"{product}\n")
    assert realsense_streams.on_usb(tmp_path) == ["Intel(R) RealSense(TM) Depth Camera 435"]
    assert "Depth Camera 435 is on USB but may not be opened: install" in realsense_streams._missing(tmp_path)
