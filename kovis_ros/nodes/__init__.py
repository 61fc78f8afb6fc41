"""ROS 2 nodes, one a file: subscribe, convert, call, publish."""
