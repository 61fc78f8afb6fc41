"""docs/new_task.md as one command: a USB-B plug and its socket, from CAD to a servo that was tried in closed loop.

`python scripts/tutorial.py` runs the whole recipe in the current folder, `--short` each step as briefly as it can be
run at all: that proves the commands, not the servo. Prints every command and how long it took.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from kovis_ros.cli.main import main as kovis
from kovis_sim import usb

NAME, FILE, BAG = "usb", "usb/usb.yaml", "data/usb"
CHECKPOINT = f"runs/{NAME}/best.safetensors"
MAKE = ("new-task", NAME, "--target", "cad/socket.stl", "--held", "cad/plug.stl", "--depth", "0.012")
TINY = (
    "model={image_size: 64, keypoints: 4, growth: 8, layers: [1, 2], decoder_layers: [1, 1], servo_hidden: [32]}",
    "training={epochs: 1, batch: 8, finish_samples: 0}",
    "servo.timeout_s=1.0",
)


def commands(short: bool) -> list[Sequence[str]]:
    """The words of each `kovis` command in order."""
    if not short:
        return [
            MAKE,
            ("record", FILE, "--rollouts", "6000", "--out", BAG),
            ("check-data", BAG),
            ("train", FILE, "--data", BAG, "--epochs", "4", "--start", "insert_plug"),
            ("evaluate", FILE, "--checkpoint", CHECKPOINT, "--trials", "200", "--json", "usb.json"),
        ]
    return [
        (*MAKE, *(word for setting in TINY for word in ("--set", setting)), "--json", "task.json"),
        ("record", FILE, "--rollouts", "20", "--out", BAG, "--workers", "1"),
        ("check-data", BAG, "--json", "check.json"),
        ("train", FILE, "--data", BAG, "--trials", "0"),
        ("evaluate", FILE, "--checkpoint", CHECKPOINT, "--trials", "1", "--workers", "1", "--json", "usb.json"),
    ]


def run(short: bool) -> int:
    """Every step until one fails; its exit code."""
    usb.main(Path("cad"))
    for words in commands(short):
        print("$ kovis " + " ".join(f"'{word}'" if " " in word else word for word in words), flush=True)
        start, burnt = time.perf_counter(), cpu_s()
        code = kovis(words)
        print(f"# {time.perf_counter() - start:.1f} s, {cpu_s() - burnt:.1f} s of CPU\n", flush=True)
        if code:
            return code
    return 0


def cpu_s() -> float:
    """Processor time of this process and the children that have ended, seconds."""
    return sum(os.times()[:4])


def main() -> int:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="each step as briefly as it can be run")
    return run(parser.parse_args().short)


if __name__ == "__main__":
    raise SystemExit(main())
