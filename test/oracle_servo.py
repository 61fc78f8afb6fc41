"""The servo node with the truth in place of the network's motion: the graph can be tried before there are weights.

The confidence is the network's own, where weights are shipped.
"""

import sys

import numpy as np
from std_msgs.msg import String

from kovis_msgs.msg import Motion as MotionMessage
from kovis_ros import conversions
from kovis_ros.method.config import load_task
from kovis_ros.method.motion import Motion
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.nodes import spin
from kovis_ros.nodes.servo import ServoNode


class Oracle:
    """A policy that knows the way, with noise on it."""

    def __init__(self, *given):
        self.inner = ServoPolicy.load(*given)
        self.task = load_task("pick_mug")
        self.trained = given[0] == self.task.name
        self.truth = None
        self.rng = np.random.default_rng(0)
        self.broken = False

    def expect(self, task):
        assert task.name == self.task.name

    def motion(self, keypoints):
        if self.truth is None:
            raise ValueError("no truth yet")
        noisy = self.truth.direction * self.truth.speed + self.rng.normal(0, 0.03, self.truth.direction.shape)
        if self.broken:
            noisy = noisy * np.nan
        speed = float(np.linalg.norm(noisy))
        confidence = self.inner.motion(keypoints).confidence if self.trained else 0.9
        return Motion(np.float32(noisy / speed), min(1.0, speed), confidence)


def make():
    node = ServoNode(load=Oracle)

    def remember(message):
        node.policy.truth = conversions.motion_from_msg(message)

    def break_network(message):
        node.policy.broken = message.data == "servo"

    node.create_subscription(MotionMessage, "sim/motion", remember, 1)
    node.create_subscription(String, "test/broken_network", break_network, 1)
    return node


if __name__ == "__main__":
    sys.exit(spin.main(make))
