"""The keypoint node with a network that can be broken, on the topic ``test/broken_network``.

"keypoint": it gives no numbers; "faint": it gives keypoints of which it is not confident.

Weights that nobody trained put every keypoint at the centre of both images; where no others are shipped, the disparity
of the images themselves is added, so that swapped images look to the node as they look with trained weights.
"""

import sys

import numpy as np
from std_msgs.msg import String

from kovis_ros.method import checkpoint
from kovis_ros.method.policy import ServoPolicy
from kovis_ros.nodes import spin
from kovis_ros.nodes.keypoint import KeypointNode

FAINT = 0.01  # of their confidence is left
LARGEST_SHARE = 0.3  # disparity, of the image's width


def disparity(left, right):
    """Shift (pixels) along the rows at which the images' gradients agree best."""
    step = max(1, left.shape[1] // 64)
    a, b = (np.diff(image[::step, ::step].astype(np.float32), axis=1) for image in (left, right))
    width = a.shape[1]
    shifts = range(-round(LARGEST_SHARE * width), round(LARGEST_SHARE * width) + 1)

    def agreement(d):
        x, y = (a[:, d:], b[:, : width - d]) if d >= 0 else (a[:, : width + d], b[:, -d:])
        return (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum() + 1e-9)

    return step * max(shifts, key=agreement)


class Breakable:
    """A policy around the real one."""

    def __init__(self, *given):
        self.inner = ServoPolicy.load(*given)
        self.task, self.expect = self.inner.task, self.inner.expect
        self.trained = checkpoint.shipped(self.task.name)
        self.broken = ""

    def keypoints(self, left, right, K):
        found = self.inner.keypoints(left, right, K)
        shift = 0.0 if self.trained else disparity(left, right) / 2
        shift = np.nan if self.broken == "keypoint" else shift
        trust = [1.0, 1.0, FAINT if self.broken == "faint" else 1.0]
        return found._replace(left=trust * (found.left + [shift, 0, 0]), right=trust * (found.right - [shift, 0, 0]))


def make():
    node = KeypointNode(load=Breakable)

    def break_network(message):
        node.policy.broken = message.data

    node.create_subscription(String, "test/broken_network", break_network, 1)
    return node


if __name__ == "__main__":
    sys.exit(spin.main(make))
