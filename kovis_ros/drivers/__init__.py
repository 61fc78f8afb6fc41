"""Devices, one module each, without ROS. A vendor library is imported only when a device is opened."""
