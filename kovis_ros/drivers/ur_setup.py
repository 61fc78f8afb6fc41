"""How a UR arm should be set up, and whether its controller agrees: compared, never written to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kovis_ros.drivers.ur_link import ArmError, Version

VARIABLES = (
    "timestamp", "actual_q", "actual_qd", "actual_TCP_pose", "actual_TCP_speed", "actual_TCP_force", "robot_mode",
    "safety_mode", "safety_status_bits", "runtime_state", "speed_scaling", "target_speed_fraction",
)  # fmt: skip
PAYLOAD_SINCE = {3: (3, 11), 5: (5, 5, 1)}
SERIES = {3: "CB3", 5: "e-Series"}
LOCAL = "controller {address} is not in remote control: switch it to remote on the pendant (top right)"


@dataclass(frozen=True)
class Ur5Settings:
    """What is expected of the controller at an address, and how long it may be silent."""

    address: str
    tcp_offset_m: float = 0.170
    payload_kg: float = -1.0  # negative: not compared
    watchdog_hz: float = 10.0
    link_timeout_s: float = 0.5
    arm: str = ""  # a name of `kinematics.ARMS`; empty: not compared
    tcp_tolerance_m: float = 0.001
    payload_tolerance_kg: float = 0.3


def tells_payload(version: Version) -> bool:
    """Does a controller of this version have its payload among the RTDE outputs."""
    return tuple(version) >= PAYLOAD_SINCE[version.major]


def variables(version: Version) -> list[str]:
    """RTDE outputs that the driver reads."""
    return [*VARIABLES, *(["payload"] if tells_payload(version) else [])]


def check_model(settings: Ur5Settings, version: Version, model: str) -> None:
    """ArmError if the controller drives another arm: by its series and by what its dashboard calls itself ("UR5")."""
    if not settings.arm:
        return
    wanted, found = SERIES[5 if settings.arm.endswith("e") else 3], SERIES[version.major]
    if wanted != found:
        raise ArmError(
            f"controller {settings.address} has version {version} ({found}), and arm is {settings.arm} ({wanted}): "
            "correct the parameter arm or robot_ip"
        )
    number = re.fullmatch(r"UR(\d+)E?", model.strip().upper())
    if number is not None and number[1] != settings.arm.strip("ure"):
        raise ArmError(
            f"controller {settings.address} drives a {model.strip()}, and arm is {settings.arm}: "
            "correct the parameter arm or robot_ip"
        )


def check_tcp(settings: Ur5Settings, tcp: npt.ArrayLike) -> None:
    """ArmError if the active TCP (6,), m and rotation vector, is not `tcp_offset_m` along the flange's z."""
    found, wanted = np.array(tcp, dtype=float), np.array([0.0, 0.0, settings.tcp_offset_m, 0.0, 0.0, 0.0])
    if found.shape != (6,):  # what the library gives when the program ended meanwhile
        raise ArmError(
            f"controller {settings.address} did not tell its TCP: look at the pendant, then restart the node"
        )
    if np.abs(found - wanted).max() > settings.tcp_tolerance_m:
        raise ArmError(
            f"active TCP of the controller is {np.round(found, 4).tolist()} (m, rotation vector), tcp_offset_m asks "
            f"for {wanted.tolist()}: set it in the installation on the pendant, or correct tcp_offset_m"
        )


def check_payload(settings: Ur5Settings, payload_kg: float) -> None:
    """ArmError if the controller reckons with another mass at the flange."""
    expected = settings.payload_kg
    if expected >= 0 and abs(payload_kg - expected) > settings.payload_tolerance_kg:
        raise ArmError(
            f"payload of the controller is {payload_kg:.2f} kg, payload_kg asks for {expected:.2f}: set it in the "
            "installation on the pendant, or correct payload_kg"
        )


def check_remote(address: str, answer: str) -> None:
    """ArmError if the dashboard of an e-Series says that it is in local control; before 5.6 it does not know.

    The vendor library asks, too, but not where the controller's address is 192.168.56.101 or this machine's.
    """
    if answer.strip().lower() == "false":
        raise ArmError(LOCAL.format(address=address))


def explain(error: RuntimeError, address: str) -> str:
    """The vendor library's exception as one line with a remedy."""
    text = " ".join(str(error).split())
    if "in use" in text:
        return (
            f"RTDE input registers of {address} are in use: stop who holds them, likely another ur5 node, "
            "ur_robot_driver (External Control), or a fieldbus (EtherNet/IP, PROFINET) switched on in the installation"
        )
    if "remote control" in text.lower():
        return LOCAL.format(address=address)
    return f"cannot use the controller at {address}: {text}: look at the pendant"
