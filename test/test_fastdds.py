"""848x480 stereo pairs between two processes: all arrive with the project's profile, many are lost without it."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ROOT / "config" / "fastdds.xml"
SCRIPT = [sys.executable, str(Path(__file__).with_name("dds_camera.py"))]


def pairs_through(pairs: int, rate_hz: float, profile: Path | None) -> int:
    """How many of `pairs` arrive complete."""
    environment = dict(os.environ)
    environment.pop("FASTDDS_DEFAULT_PROFILES_FILE", None)
    if profile is not None:
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
    arguments = [str(pairs), str(rate_hz)]
    sink = subprocess.Popen([*SCRIPT, "count", *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    assert sink.stdout and sink.stdout.readline() == "ready\n"
    subprocess.run([*SCRIPT, "publish", *arguments], env=environment, timeout=60, check=True)
    answer, _ = sink.communicate(timeout=40)
    return int(answer)


def test_profile_is_the_default_one() -> None:
    """A profile that is not the default, or a segment below 16 MB, would be passed over in silence."""
    space = {"dds": "http://www.eprosima.com"}
    tree = ET.parse(PROFILE)
    participant = tree.find(".//dds:participant", space)
    assert participant is not None and participant.get("is_default_profile") == "true"
    sizes = [int(node.text or 0) for node in tree.findall(".//dds:segment_size", space)]
    assert sizes == [16 * 2**20]


@pytest.mark.ros
@pytest.mark.parametrize(("pairs", "rate_hz"), [(60, 30.0), (180, 90.0)])
def test_pairs_arrive(ros_domain: int, pairs: int, rate_hz: float) -> None:
    """Loss under 1 %."""
    assert pairs_through(pairs, rate_hz, PROFILE) > 0.99 * pairs


@pytest.mark.ros
@pytest.mark.slow
def test_default_loses_pairs(ros_domain: int) -> None:
    """The reason for the profile: when this fails, Fast DDS has grown its segment and the profile may go."""
    assert pairs_through(120, 30.0, None) < 0.9 * 120
