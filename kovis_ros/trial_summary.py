"""What came of trials on the graph: each in a line, all of them in figures and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kovis_ros.method.config import Task

if TYPE_CHECKING:
    from kovis_ros.nodes.trials import TrialResult


def aligned(task: Task, result: TrialResult) -> bool:
    """Within the task's tolerances on the commanded axes, and nothing touched the target on the way."""
    close = result.final_m <= task.success.position_m and not result.touched
    return close and result.final_rad <= float(np.radians(task.success.rotation_deg))


def success(task: Task, result: TrialResult) -> bool:
    """Converged, and the completion motion did its work where the task has one."""
    return result.converged and (result.completed if task.completion else aligned(task, result))


def line(number: int, task: Task, result: TrialResult) -> str:
    """One trial in words."""
    start = f"{result.start_m * 1e3:4.1f} mm{angle(task, result.start_rad)}"
    final = f"{result.final_m * 1e3:4.1f} mm{angle(task, result.final_rad)}"
    verdict = "success" if success(task, result) else f"FAILED {result.message or 'not completed'}"
    return f"trial {number:3d}  seed {result.seed}  start {start}  final {final}  {result.seconds:4.1f} s  {verdict}"


def angle(task: Task, value_rad: float, width: int = 4) -> str:
    """An error of rotation in degrees, after one of position; nothing where none is commanded."""
    from kovis_ros.method.motion import turns

    return f" {np.degrees(value_rad):{width}.1f} deg" if turns(task.axes) else ""


def summarise(task: Task, results: Sequence[TrialResult]) -> dict[str, Any]:
    """The figures of a run, and its trials one by one."""
    from kovis_ros.method.metrics import spread, wilson
    from kovis_ros.method.motion import turns

    count = len(results)
    good = sum(success(task, result) for result in results)
    false = sum(result.converged and not aligned(task, result) for result in results)
    rows = [
        {"seed": r.seed, "start_m": r.start_m, "start_rad": r.start_rad, "final_m": r.final_m, "final_rad": r.final_rad,
         "tilt_rad": r.tilt_rad, "seconds": r.seconds, "converged": r.converged, "touched": r.touched,
         "completed": r.completed, "success": success(task, r), "message": r.message, "images": r.images}
        for r in results
    ]  # fmt: skip
    return {
        "task": task.name,
        "turns": turns(task.axes),
        "trials": count,
        "successes": good,
        "success_rate": good / max(count, 1),
        "aligned_rate": sum(r.converged and aligned(task, r) for r in results) / max(count, 1),
        "false_converged_rate": false / max(count, 1),
        "wilson95": list(wilson(good, count)),
        "position_error_m": spread([r.final_m for r in results]),
        "rotation_error_rad": spread([r.final_rad for r in results]),
        "seconds": spread([r.seconds for r in results]),
        "rows": rows,
    }


def told(task: Task, summary: dict[str, Any]) -> str:
    """The summary in words."""
    low, high = summary["wilson95"]
    position, turn = summary["position_error_m"], summary["rotation_error_rad"]
    return (
        f"{task.name}: {summary['successes']} of {summary['trials']} succeeded ({100 * summary['success_rate']:.0f} %, "
        f"95 % interval {100 * low:.0f}-{100 * high:.0f} %), aligned {100 * summary['aligned_rate']:.0f} %, falsely "
        f"converged {100 * summary['false_converged_rate']:.0f} %, median error {position['median'] * 1e3:.1f} mm"
        f"{angle(task, turn['median'], 0)}, median time {summary['seconds']['median']:.1f} s"
    )
