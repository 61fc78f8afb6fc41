"""The KOVIS method: numpy and torch only; no ROS, simulator, hardware or bag library."""
