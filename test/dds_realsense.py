"""A RealSense camera on the network, as its own process, for plugging and unplugging: `dds_realsense.py DOMAIN`.

The vendor's library finds it as it finds a USB camera, reads and sets its options, and notices that it is gone. Lines
on stdin are commands: `plug`, `unplug`, `hang` (images stop, the camera stays), `resume`, `options` (prints them).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from pyrealsense2 import pyrealdds as dds

SIZE = (424, 240)
RATE_HZ = 30
SERIAL = "DDS0001"
ROOT = f"realsense/D435_{SERIAL}"
OPTIONS = (  # name, value, low, high, step, default, description
    ("Emitter Enabled", 1.0, 0.0, 2.0, 1.0, 1.0, "emitter"),
    ("Enable Auto Exposure", 1.0, 0.0, 1.0, 1.0, 1.0, "automatic exposure"),
)


class Camera:
    """Publishes both infrared streams while they are open."""

    def __init__(self, domain):
        self.participant = dds.participant()
        self.participant.init(domain, "camera", {"udp": {"whitelist": ["127.0.0.1"]}})
        self.server: Any = None
        self.hanging = False
        self.lock = threading.Lock()
        self.images = [image(shade) for shade in (60, 120)]
        threading.Thread(target=self.run, daemon=True).start()

    def plug(self):
        """Appear; with the options of a camera that was just powered."""
        streams = [stream(dds.depth_stream_server, "Depth", dds.video_encoding.z16)]
        streams += [stream(dds.ir_stream_server, f"Infrared_{i}", dds.video_encoding.y8) for i in (1, 2)]
        self.options = [dds.option.from_json(list(row)) for row in OPTIONS]
        streams[0].init_options(self.options)
        server = dds.device_server(self.participant, ROOT)
        server.on_control(lambda *_: True)
        server.on_set_option(lambda *_: None)  # the library stores the value itself
        server.init(streams, [], extrinsics())
        about = {"name": "Intel RealSense D435", "serial": SERIAL, "product-line": "D400", "topic-root": ROOT}
        server.broadcast(dds.message.device_info.from_json(about))
        with self.lock:
            self.server, self.infrared, self.number, self.hanging = server, streams[1:], 0, False

    def unplug(self):
        """Disappear."""
        with self.lock:
            server, self.server, self.infrared = self.server, None, []
        server.broadcast_disconnect()

    def hang(self):
        """Be there and send nothing."""
        self.hanging = True

    def resume(self):
        """Send again."""
        self.hanging = False

    def run(self):
        """One pair each period to whoever has opened the streams."""
        due = time.monotonic()
        while True:
            with self.lock:
                if self.server is not None and not self.hanging:
                    self.shoot()
            due = max(due + 1.0 / RATE_HZ, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def shoot(self):
        stamp = dds.now()
        self.number += 1
        for picture, side in zip(self.images, self.infrared, strict=True):
            if not side.is_open():
                continue
            if not side.is_streaming():
                side.start_streaming(dds.video_encoding.y8, *SIZE)
            picture.timestamp = stamp
            side.publish_image(picture)
            about = {"frame-number": self.number, "timestamp": stamp.to_ns(), "timestamp-domain": 0}
            self.server.publish_metadata({"stream-name": side.name(), "header": about, "metadata": {}})


def image(shade):
    """One grey image; its data must be a list of numbers, which takes its time."""
    message = dds.message.image()
    message.width, message.height = SIZE
    message.encoding, message.step = "mono8", SIZE[0]
    message.data = [shade + x % 50 for x in range(SIZE[0])] * SIZE[1]
    return message


def stream(kind, name, encoding):
    """A stream of the stereo module with one mode."""
    made = kind(name, "Stereo Module")
    made.enable_metadata()
    made.init_profiles([dds.video_stream_profile(RATE_HZ, encoding, *SIZE)], 0)
    made.init_options([])
    found = dds.video_intrinsics()
    found.width, found.height = SIZE
    found.focal_length.x = found.focal_length.y = 212.5
    found.principal_point.x, found.principal_point.y = SIZE[0] / 2 - 0.5, SIZE[1] / 2 - 0.5
    made.set_intrinsics({found})
    return made


def extrinsics():
    """Right imager 50 mm to the right of the left one."""
    found = {}
    for name, other, x in (("Infrared_1", "Infrared_2", -0.05), ("Depth", "Infrared_1", 0.0)):
        for one, two, sign in ((name, other, 1.0), (other, name, -1.0)):
            e = dds.extrinsics()
            e.rotation, e.translation = (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0), (sign * x, 0.0, 0.0)
            found[one, two] = e
    return found


def main():
    camera = Camera(int(sys.argv[1]))
    camera.plug()
    print("plugged", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "options":
            print(json.dumps({option.get_name(): option.get_value() for option in camera.options}), flush=True)
            continue
        getattr(camera, command)()
        print(command, flush=True)


if __name__ == "__main__":
    main()
