"""Command line of the simulated controller."""

from __future__ import annotations

import argparse
import gc
import sys
import time

from kovis_sim.shared_state import SharedState, StateError
from kovis_sim.ur_controller.controller import Controller
from kovis_sim.ur_controller.server import Server, serve
from kovis_sim.ur_controller.settings import HOME, Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted.  Exit code 1 if an address or the state name is taken."""
    options = _parser().parse_args(arguments)
    settings = Settings(
        arm=options.arm,
        q=tuple(options.q),
        tcp_offset_m=options.tcp_offset,
        payload_kg=options.payload,
        force_limit_n=options.force_limit,
        stop_pauses=options.protective_stop == "pauses",
        unlock_after_s=options.unlock_after,
        remote_control=not options.local_control,
        powered=not options.power_off,
        firmware=options.firmware,
    )
    try:
        state = SharedState.create(options.state)
    except StateError as error:
        return _fail(str(error))
    try:
        server = Server(Controller(settings, state, time.monotonic()), options.address)
    except OSError as error:
        state.close()
        return _fail(f"cannot listen on {options.address}: {error.strerror}; choose another --address")
    server.controller.cycle(time.monotonic())
    version = "{}.{}.{}".format(*settings.version)
    rate = f"{settings.rate_hz} Hz"
    print(f"ready: {options.arm} {version} at {rate} on {options.address}, state {options.state}", flush=True)
    gc.freeze()
    try:
        serve(server)
    finally:
        state.close()
    return 0


def _fail(message: str) -> int:
    print(f"ur_controller: {message}", file=sys.stderr)
    return 1


def _firmware(text: str) -> tuple[int, int, int]:
    major, minor, bugfix = (int(part) for part in text.split("."))
    return major, minor, bugfix


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kovis_sim.ur_controller", description=__doc__)
    add = parser.add_argument
    add("--address", default="127.0.0.1", help="loopback address to listen on (default %(default)s)")
    add("--arm", choices=("ur5", "ur5e"), default="ur5", help="ur5: CB3 3.15.8 at 125 Hz; ur5e: 5.12 at 500 Hz")
    add("--state", default="arm", metavar="NAME", help="name of the shared state (default %(default)s)")
    add("--q", type=float, nargs=6, default=HOME, metavar="RAD", help="joint angles at the start")
    add("--tcp-offset", type=float, default=0.170, metavar="M", help="TCP of the installation, along tool0 z")
    add("--payload", type=float, default=1.0, metavar="KG", help="payload of the installation")
    add("--force-limit", type=float, default=150.0, metavar="N", help="contact force that stops the arm")
    add("--protective-stop", choices=("pauses", "stops"), default="pauses", help="what it does to the program")
    add("--unlock-after", type=float, default=5.0, metavar="S", help="earliest unlock after a protective stop")
    add("--firmware", type=_firmware, metavar="X.Y.Z", help="report another version than the arm's usual one")
    add("--local-control", action="store_true", help="e-Series: not in remote control")
    add("--power-off", action="store_true", help="start with the arm powered off")
    return parser


if __name__ == "__main__":
    sys.exit(main())
