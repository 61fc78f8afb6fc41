"""What the nodes report about themselves."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy")

from kovis_ros.nodes.diagnostics import Window  # noqa: E402


def test_rate_and_percentiles_of_a_window():
    window = Window(10)
    for number in range(20):
        window.add(float(number), 0.1 * number)
    assert window.percentile(50) == pytest.approx(14.5)
    assert window.rate(1.9) == pytest.approx(10 / 0.9)
    assert Window(10).rate(1.0) == 0.0


def test_a_window_is_read_while_another_thread_fills_it():
    window, done = Window(1250), threading.Event()

    def fill():
        while not done.is_set():
            window.add(1.0, time.monotonic())

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            window.rate(time.monotonic())
    finally:
        done.set()
        thread.join()
