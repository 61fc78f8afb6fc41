"""Parameters of the arm node."""

from kovis_ros.method.kinematics import ARMS
from kovis_ros.nodes.parameters import Parameter

PARAMETERS = (
    Parameter("robot_ip", "127.0.0.1", "address of the controller"),
    Parameter("arm", "ur5", "model: compared with the controller, and moves stay in its reach", choices=tuple(ARMS)),
    Parameter("gripper", "robotiq", "what is on the flange", choices=("robotiq", "none")),
    Parameter("rate_hz", 125.0, "commands to the arm [Hz]", 25.0, 125.0),
    Parameter("setpoint_timeout_s", 0.1, "without a fresh twist for this long the arm brakes [s]", 0.02, 1.0),
    Parameter("future_tolerance_s", 0.05, "a stamp further ahead of our clock is invalid [s]", 0.0, 1.0),
    Parameter("owner_timeout_s", 0.4, "a servo goal's relative move ends when the servo is silent [s]", 0.15, 5.0),
    Parameter("max_linear_mps", 0.05, "twists are shrunk to this [m/s]", 0.001, 0.25),
    Parameter("max_angular_radps", 0.3, "twists are shrunk to this [rad/s]", 0.001, 1.5),
    Parameter("acceleration_mps2", 1.0, "ramp of the tool; counts for rad/s^2 too [m/s^2]", 0.05, 5.0),
    Parameter("deceleration_mps2", 3.0, "braking of the tool; counts for rad/s^2 too [m/s^2]", 0.05, 10.0),
    Parameter("watchdog_hz", 10.0, "the controller stops the arm when we are slower [Hz]", 5.0, 50.0),
    Parameter("link_timeout_s", 0.5, "silence of the controller that counts as a lost link [s]", 0.1, 2.0),
    Parameter("recovery_s", 2.0, "wait before the program is uploaded again once the robot is safe [s]", 0.1, 60.0),
    Parameter("tcp_offset_m", 0.170, "TCP expected on the controller, along tool0 z [m]", 0.0, 1.0),
    Parameter(
        "payload_kg", 1.0, "payload expected on the controller (2F-85 and camera); negative: any [kg]", -1.0, 20.0
    ),
    Parameter("gripper_force", 0.3, "grip where a goal names none, share of the range", 0.0, 1.0),
    Parameter("halt_commands", 5, "zero twists sent at the end", 1, 100),
)
