"""docs/safety.md: what test_safety measured, between what people have to know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLACE = Path(__file__).resolve().parents[1] / "docs" / "safety.md"
COUNTED = {
    "": "the fault",
    "image": "the last good image",
    "setpoint": "the fault: twists are stale after 100 ms",
    "watchdog": "the fault: the controller's watchdog takes 100 ms",
    "owner": "the fault: the servo is silent after 400 ms",
    "freeze": "its waking up: while it is frozen it moves nothing",
}
ABOVE = """\
# Safety

This file is written by the test that breaks things, never by hand:

```
make test-all ARGS="test/test_safety.py --write-safety"
```

Each row was measured in the whole graph in simulation: real nodes, real DDS, the unmodified `ur_rtde` client and the
cell's UR controller. The arm was moving under a goal, at 12 mm/s or more of the servo's 20, when the fault came. *Zero
speed* is the last cycle in which the controller's `target_TCP_speed` was not zero, *standstill* the moment from which
every joint, by the controller's own angles, stayed within 0.2 mrad. So that the arm moves alike in every row, the servo
is told the true way, with noise on it; the images, the keypoints and the confidence in them are those of the shipped
network. Standstill counts from the fault, or from when what was missing had become stale. From zero speed on the arm
had to stay at rest: for two seconds, and on until every process that had ended ran again, links were back, what was
broken was mended and the arm would have followed twists.

| fault | zero speed after | counted from | limit | standstill | limit |
|---|---|---|---|---|---|
"""
BELOW = """
What stops the arm, from the outside in: the controller's watchdog (no command for 100 ms ends the program), the `ur5`
node (no fresh twist for 100 ms brakes; a lost link ends the node), the `servo` node (no image younger than 250 ms, low
confidence, an arm that is not ready, the edge of the workspace), and the `keypoint` node (pairs of which an eye is
repeated or shows only noise, that are swapped, apart in row, of unequal stamp or not a number are left out and counted
in `/diagnostics`). A goal ends with any stop of the arm, also with that by the service `/kovis/arm/stop` or by a speed
slider at 0; nothing moves again without a new goal.

## What this does not protect from
- **People.** Nothing here is a safety function in the sense of a standard: no redundancy, no certified part. The
  robot's own safety system (emergency stop, protective stop, limits set on the pendant) must be set up as if this
  software did not exist.
- **A wrong but lively view.** Images that are fresh, sharp and of another scene, an old recording played with new
  stamps, or keypoints that sit confidently on the wrong thing, in both eyes in the same row, move the arm at up to the
  task's top speed, inside the workspace box (0.12 m about the start).
- **Things in the way.** Nothing looks for obstacles. The arm stops at the force limit of the completion motion and at
  the controller's own limits; during alignment only at the latter.
- **A wrong TCP, payload or mounting on the pendant** beyond what the node compares at its start.
- **Clocks.** Stamps of camera and computer must agree: a camera whose clock is ahead or behind by more than 50 ms or
  250 ms is refused, one that drifts within that is believed.
- **Silence while nothing moves.** An arm that stands is not watched more closely than once a second.
- **The gripper.** It keeps its grip through every fault: an object that is held is not dropped, a finger that is caught
  is not freed.
- **A controller that is not as the simulated one.** How a real controller brakes when its watchdog ends the program,
  and what it does with a paused program, was read in documents and not measured.
- **A busy computer.** The figures hold with the two processor cores left to the graph. Where they are not, the watchdog
  still stops the arm, later than a camera fault would.

## Commissioning a real arm
1. Set TCP, payload, mounting and *reduced* safety limits on the pendant: tool speed 0.25 m/s, a box around the cell.
   Try the emergency stop.
2. Dry run, with nothing connected to the arm:
   `kovis servo robot:=ur5 backend:=dry_run camera:=d435 rviz:=true`. Send a goal (README). The twist that would be sent
   is on `/kovis/twist` and an arrow in RViz, in the axes of `tool0`. Move the arm by hand in freedrive: the arrow must
   point to the target from every side and shrink towards it. Cover one lens, then both, and swap the target for another
   object: the twist must fall to zero within half a second, and `/kovis/status` must say why.
3. First motion: `backend:=rtde robot_ip:=...`, the pendant in hand, the speed slider at 10 %, a start 20 mm from the
   goal, `{task: pick_mug, speed_scale: 0.3}` without `complete`.
4. Break it, at that speed: pull the camera's plug, kill the `servo` node, then the `ur5` node, pull the network cable,
   press the protective stop. Each time the arm must stand at once and stay. Compare with the table.
5. Raise the slider, then `speed_scale`, then `complete: true` with the force limit of the task at its lowest.
"""


def write(rows: Sequence[tuple[Any, Any]]) -> None:
    """The whole file; ``rows`` of (measured, fault) replace those of the same faults, of a part of the tests, too."""
    table = known() | {fault.name: line(measured, fault) for measured, fault in rows}
    PLACE.write_text(ABOVE + "".join(table.values()) + BELOW)


def known() -> dict[str, str]:
    """The table's lines as they stand in the file, by fault."""
    if not PLACE.is_file():
        return {}
    lines = PLACE.read_text().splitlines(keepends=True)
    return {each.split("|")[1].strip(): each for each in lines if each.endswith("300 ms |\n")}


def line(measured: Any, fault: Any) -> str:
    """One fault."""
    zero = f"{1e3 * measured.zero_s:.0f} ms"
    still = f"{1e3 * measured.still_s:.0f} ms"
    limit = f"{1e3 * fault.limit_s:.0f} ms"
    counted = COUNTED["freeze" if fault.means == "freeze" else fault.stale]
    return f"| {fault.name} | {zero} | {counted} | {limit} | {still} | 300 ms |\n"
