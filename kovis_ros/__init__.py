"""KOVIS: keypoint-based visual servoing with a stereo camera on the wrist."""

__version__ = "0.1.0"
