"""What can be wrong with a camera."""

from __future__ import annotations


class CameraError(RuntimeError):
    """The camera cannot be used; the message names what was found and what to do, in one line."""


class CameraLostError(CameraError):
    """A camera that streamed is gone: close it and open it again."""


class RecordingEndedError(CameraError):
    """A recording was played to its end."""
