"""A Robotiq 2F-85 by its data sheet: for whoever drives it, stands in for it, or plans with it."""

STROKE_M = 0.085  # opening of the fingers
GRIP_N = (20.0, 235.0)  # weakest and strongest grip
