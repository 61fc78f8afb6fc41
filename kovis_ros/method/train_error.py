"""What goes wrong with training."""

from __future__ import annotations


class TrainError(ValueError):
    """A run cannot start, go on or resume; the message names the thing, the value and the remedy."""
