"""A servo that reads the truth, off by a constant displacement (d,) in metres."""

import numpy as np

from kovis_ros.method import motion
from kovis_ros.method.motion import Motion


class Oracle:
    """Stands in for ``ServoPolicy`` in closed-loop trials."""

    def __init__(self, scene, offset=0.0):
        self.scene, self.offset, self.task = scene, np.asarray(offset), scene.task

    def keypoints(self, left, right, K):
        return None

    def motion(self, keypoints):
        direction, speed = motion.label(self.scene.displacement() + self.offset)
        return Motion(direction.astype(np.float32), speed, 1.0)
