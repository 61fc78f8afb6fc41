"""One end of a 848x480 stereo stream, as its own process: `dds_camera.py publish|count PAIRS RATE_HZ`."""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

TOPICS = tuple(f"/camera/camera/infra{i}/image_rect_raw" for i in (1, 2))
SOURCE = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# Deep, so that a reader kept from the processor by others loses nothing here: it is the transport that is measured.
SINK = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)


def publish(pairs: int, rate_hz: float) -> None:
    """Send `pairs` equal-stamp pairs at a rate once both topics have a reader."""
    node = rclpy.create_node("dds_camera_source")
    publishers = [node.create_publisher(Image, topic, SOURCE) for topic in TOPICS]
    deadline = time.monotonic() + 20.0
    while any(p.get_subscription_count() < 1 for p in publishers) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # the reader's side of the match
    image = Image(height=480, width=848, step=848, encoding="mono8", data=array.array("B", bytes(480 * 848)))
    due = time.monotonic()
    for stamp in range(pairs):
        image.header.stamp.nanosec = stamp + 1
        for publisher in publishers:
            publisher.publish(image)
        due = max(due + 1.0 / rate_hz, time.monotonic())  # a late pair makes no burst
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(0.5)


def count(pairs: int, rate_hz: float) -> None:
    """Print how many stamps came on both topics."""
    node = rclpy.create_node("dds_camera_sink")
    seen: tuple[set[int], set[int]] = (set(), set())
    for topic, stamps in zip(TOPICS, seen, strict=True):
        node.create_subscription(Image, topic, lambda m, s=stamps: s.add(m.header.stamp.nanosec), SINK)
    print("ready", flush=True)
    deadline = time.monotonic() + pairs / rate_hz + 15.0
    latest = time.monotonic() + 25.0
    while len(seen[0] & seen[1]) < pairs and time.monotonic() < min(deadline, latest):
        rclpy.spin_once(node, timeout_sec=0.1)
        if pairs in seen[0] or pairs in seen[1]:  # the last one is through
            latest = min(latest, time.monotonic() + 0.3)
    print(len(seen[0] & seen[1]), flush=True)


if __name__ == "__main__":
    rclpy.init()
    {"publish": publish, "count": count}[sys.argv[1]](int(sys.argv[2]), float(sys.argv[3]))
    rclpy.try_shutdown()
