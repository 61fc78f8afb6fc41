"""Shared by all tests: ROS tests talk on a domain of their own, over loopback only, with the project's DDS profile."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOMAINS = itertools.count(os.getpid())

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "fastdds.xml")
os.environ["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A domain of the test's own (1..100), also in the environment of processes that it starts."""
    domain = 1 + next(DOMAINS) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    return domain


@pytest.fixture
def ros_context(ros_domain: int) -> Iterator[object]:
    """An rclpy context on the test's domain, shut down afterwards; skipped where there is no ROS 2."""
    rclpy = pytest.importorskip("rclpy")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    yield context
    rclpy.try_shutdown(context=context)


@pytest.fixture
def ros_node(ros_context: object) -> Iterator[object]:
    """A node of the test's own on the test's domain."""
    import rclpy

    node = rclpy.create_node("test_probe", context=ros_context)
    yield node
    node.destroy_node()


@pytest.fixture(scope="module")
def cell() -> Iterator[object]:
    """A simulated UR controller in its own process, for a whole module."""
    from ur_cell import Cell

    with Cell("--unlock-after", "0.3") as running:
        yield running


@pytest.fixture
def fresh(cell: object) -> Iterator[object]:
    """The same, as it was at its start; clients of the test do not outlive it."""
    from ur_cell import Client

    cell.restore()  # type: ignore[attr-defined]
    yield cell
    for client in list(Client.running):
        client.kill()


@pytest.fixture(scope="module")
def driven() -> Iterator[object]:
    """A controller for our driver, for a whole module; clients of the tests do not outlive it."""
    pytest.importorskip("rtde_control", reason="ur_rtde is not installed: pip install 'kovis_ros[ur]'")
    from ur_cell import Cell, Client

    with Cell("--unlock-after", "0.2") as running:
        yield running
        for client in list(Client.running):
            client.kill()


@pytest.fixture(scope="module")
def running_arm() -> Iterator[object]:
    """The arm node on a simulated controller, for a whole module."""
    from arm_rig import Arm

    running = Arm()
    yield running
    running.close()


@pytest.fixture
def arm(running_arm: object) -> object:
    """The same, as it was at the start."""
    running_arm.restore()  # type: ignore[attr-defined]
    return running_arm


@pytest.fixture
def rig(ros_domain: int) -> Iterator[object]:
    """Makes the servo node, with what plays its camera and its arm."""
    from servo_rig import Rig

    made: list[Rig] = []

    def make(**parameters: object) -> Rig:
        made.append(Rig(ros_domain, **parameters))
        return made[0]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A finished bag of three shards, 18 samples."""
    from made_bag import make_bag

    return make_bag(tmp_path / "bag")


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same every time."""
    return np.random.default_rng(0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Files that tests write are written only when asked for."""
    parser.addoption("--write-safety", action="store_true", help="write docs/safety.md from what test_safety measures")


@pytest.fixture(scope="session")
def safety_rows(request: pytest.FixtureRequest) -> Iterator[list[tuple[object, object]]]:
    """What test_safety measured, as (measured, fault); a whole run writes it down when asked to."""
    rows: list[tuple[object, object]] = []
    yield rows
    if request.config.getoption("--write-safety"):
        import safety_report

        safety_report.write(rows)
