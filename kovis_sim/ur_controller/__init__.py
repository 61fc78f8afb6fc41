"""A UR controller for the simulated cell: RTDE, dashboard, script port and Robotiq socket on a loopback address.

Run it with ``python -m kovis_sim.ur_controller``; the unmodified ``ur_rtde`` client drives it.  It must be a process of
its own, since that client holds the interpreter lock while it connects.
"""
