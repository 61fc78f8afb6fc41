"""Pictures of trials for people: a strip of overlays, trajectories as in Fig. 8 of the paper, an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method.loop import State
from kovis_ros.method.motion import AXES, ROTATION_SCALE
from kovis_ros.nodes import overlay

if TYPE_CHECKING:
    from kovis_ros.nodes.trials import Frame, TrialResult

Picture = NDArray[np.uint8]
STRIP_COLUMNS = 5
STRIP_WIDTH = 1900  # pixels
ANIMATION_HEIGHT, ANIMATION_STEP_S, ANIMATION_TRIALS = 208, 0.2, 3
WORDS = {State.SERVOING: "servoing", State.CONVERGING: "converging", State.COMPLETING: "completing",
         State.CONVERGED: "done", State.PAUSED: "paused", State.IDLE: "idle",
         State.HALT_STALE_KEYPOINTS: "waiting for keypoints"}  # fmt: skip


def decode(frame: Frame) -> Picture:
    """Picture (H, W, 3) bgr8 of a frame, with time, error and state written over it."""
    picture = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    word = WORDS.get(State(frame.state), State(frame.state).name.lower().replace("_", " "))
    error = f"{frame.position_m * 1e3:.1f} mm {np.degrees(frame.rotation_rad):.1f} deg"
    aligning = frame.state not in (State.COMPLETING, State.CONVERGED, State.IDLE)
    for line, text in enumerate((f"{frame.time_s:.1f} s  {word}", error if aligning else "")):
        for width, ink in ((3, (0, 0, 0)), (1, (255, 255, 255))):
            place = (8, 20 + 20 * line)
            cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, width, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def strip(results: Sequence[TrialResult], path: Path) -> None:
    """One row a trial, overlays from its start to its end; PNG."""
    rows = []
    for result in (r for r in results if r.frames):
        chosen = np.linspace(0, len(result.frames) - 1, STRIP_COLUMNS).round().astype(int)
        row = np.hstack([decode(result.frames[i]) for i in chosen])
        scale = STRIP_WIDTH / row.shape[1]
        rows.append(cv2.resize(row, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    if rows:
        cv2.imwrite(str(path), np.vstack(rows))


def trajectories(results: Sequence[TrialResult], axes: Sequence[str], path: Path) -> None:
    """Error on each commanded axis against normalised time (0 start, 1 converged), one line a trial; PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, plots = pyplot.subplots(1, len(axes), figsize=(3.6 * len(axes), 3.2), squeeze=False, layout="constrained")
    for column, axis in enumerate(axes):
        plot, turning = plots[0][column], AXES.index(axis) >= 3
        scale = np.degrees(1.0) / ROTATION_SCALE if turning else 1e3
        for result in (r for r in results if len(r.history) > 1):
            times = np.array([moment.time_s for moment in result.history])
            left = np.array([moment.displacement[column] for moment in result.history])
            plot.plot(times / max(times[-1], 1e-9), left * scale, linewidth=1.0, alpha=0.8)
        plot.axhline(0.0, color="black", linewidth=0.6)
        plot.set(title=axis, xlabel="normalised time", ylabel="error [deg]" if turning else "error [mm]")
        plot.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def animation_palette() -> list[int]:
    """Red, green, blue of 64 greys and of 24 keypoint colours: a palette chosen by frequency would lose the latter."""
    greys = [level * 255 // 63 for level in range(64) for _ in range(3)]
    return greys + [value for i in range(24) for value in reversed(overlay.colour(i, 24))]


def animation(results: Sequence[TrialResult], path: Path) -> None:
    """The overlays of the first trials one after the other, at the speed they had; GIF."""
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(animation_palette())
    pictures: list[Image.Image] = []
    for number, result in enumerate(results[:ANIMATION_TRIALS], 1):
        last = -np.inf
        for frame in result.frames:
            if frame.time_s - last < 0.9 * ANIMATION_STEP_S:
                continue
            last = frame.time_s
            picture = decode(frame)
            place = (8, picture.shape[0] - 30)
            cv2.putText(
                picture, f"trial {number}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
            )
            scale = ANIMATION_HEIGHT / picture.shape[0]
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            pictures.append(Image.fromarray(small[..., ::-1]).quantize(palette=palette, dither=Image.Dither.NONE))
    if pictures:
        memory = io.BytesIO()
        step = round(1000 * ANIMATION_STEP_S)
        pictures[0].save(memory, "GIF", save_all=True, append_images=pictures[1:], duration=step, loop=0)
        path.write_bytes(memory.getvalue())
