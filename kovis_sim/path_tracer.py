"""The second renderer: what ``Scene.visuals()`` lists, with light as it travels. The one door to Mitsuba.

It is never trained on; ``kovis evaluate --renderer path`` runs the closed loop on its pictures.

Convention: Mitsuba's camera looks along z with x to the left and y up, the optical frame turned by half a turn about z.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from ctypes.util import find_library
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry, images
from kovis_sim import materials
from kovis_sim.materials import Description
from kovis_sim.stage import Visual
from kovis_sim.world import Light

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Camera = tuple[Array, Array, int]  # world_T_camera (4, 4) optical, K (3, 3), size in pixels
BOUNCES = 4
MEAN_GREY = 96.0  # both imagers of a camera share one exposure
TURNED = np.diag([-1.0, -1.0, 1.0, 1.0])
LLVM = range(21, 15, -1)  # 14 and 15 end the process where there is AVX512: "cannot select"


def engine() -> Any:
    """Mitsuba on one thread: evaluation has a process a core. ModuleNotFoundError without it.

    Its vectorised variant where LLVM is there, else the scalar one: a pair of 36 paths a pixel in 0.65 s, or in 1.8 s.
    """
    import mitsuba
    from drjit import set_thread_count

    mitsuba.set_variant("llvm_ad_rgb" if compiler() else "scalar_rgb")
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    set_thread_count(1)
    return mitsuba


def compiler() -> str | None:
    """LLVM's library, the newest that can be used or the one that the environment names; Mitsuba is told of it."""
    newest = filter(None, (find_library(f"LLVM-{version}") for version in LLVM))
    library = os.environ.get("DRJIT_LIBLLVM_PATH") or next(newest, None)
    if library:
        os.environ["DRJIT_LIBLLVM_PATH"] = library
    return library


class PathTracer:
    """Draws stereo pairs with ``samples`` paths a pixel (rounded up to a square); ``dress`` decides on materials."""

    def __init__(self, samples: int = 36) -> None:
        self._mitsuba = engine()
        self._samples = samples
        self.dress(np.random.default_rng(0))

    def dress(self, rng: np.random.Generator) -> None:
        """Other materials, room and lamp; they are drawn with the next pair, and its noise after them."""
        self._rng = rng
        self._shapes: dict[str, Any] = {}
        self._lights: dict[str, Any] = {}

    def stereo(
        self, visuals: Sequence[Visual], cameras: Mapping[str, Camera], lights: Sequence[Light]
    ) -> tuple[Image, Image]:
        """Left and right image (H, W); of ``visuals`` only poses may differ from the first pair after ``dress``."""
        scene = self.scene(visuals, lights)
        left, right = (self._render(scene, cameras[eye]) for eye in ("left", "right"))
        gain = MEAN_GREY / max(0.5 * float(left.mean() + right.mean()), 1e-6)
        return _exposed(left, gain), _exposed(right, gain)

    def scene(self, visuals: Sequence[Visual], lights: Sequence[Light]) -> Any:
        """Mitsuba's scene of shapes at their poses; what is costly to load is kept."""
        if not self._shapes:
            kinds = {kind(visual): visual for visual in visuals}
            self._shapes = {name: self._load(self._body(visual)) for name, visual in kinds.items()}
            self._lights = {name: self._load(light) for name, light in self._lit(visuals, lights).items()}
        placed = {
            visual.name: {
                "type": "instance",
                "shape": self._shapes[kind(visual)],
                "to_world": visual.world_T_shape,
            }
            for visual in visuals
        }
        integrator = {"type": "path", "max_depth": BOUNCES}
        return self._load({"type": "scene", "integrator": integrator, **self._shapes, **placed, **self._lights})

    def sensor(self, camera: Camera) -> Any:
        """Mitsuba's pinhole for one eye; pixels average over their area, as those of a camera do."""
        world_T_camera, K, size = camera
        film = {
            "type": "hdrfilm", "width": size, "height": size, "pixel_format": "luminance",
            "component_format": "float32", "rfilter": {"type": "box"},
        }  # fmt: skip
        return self._load(
            {
                "type": "perspective",
                "fov": images.field_of_view(K, size),
                "near_clip": 0.01,
                "to_world": world_T_camera @ TURNED,
                "film": film,
                "sampler": {"type": "multijitter", "sample_count": self._samples},
            }
        )

    def _render(self, scene: Any, camera: Camera) -> NDArray[np.float32]:
        """Light (H, W) of one eye, with noise of its own."""
        seed = int(self._rng.integers(2**31))
        return np.asarray(self._mitsuba.render(scene, sensor=self.sensor(camera), seed=seed), np.float32)[..., 0]

    def _body(self, visual: Visual) -> Description:
        """A group that is placed as a whole."""
        surface = materials.material(self._rng, visual.specular, materials.paint(visual))
        solid = {f"part_{i}": {**part, "surface": surface} for i, part in enumerate(parts(visual))}
        return {"type": "shapegroup", **solid}

    def _lit(self, visuals: Sequence[Visual], lights: Sequence[Light]) -> dict[str, Description]:
        """The room, and a lamp for each distant light, pointed at the target."""
        place = next(visual.world_T_shape[:3, 3] for visual in visuals if visual.name == "target")
        lamps = {f"lamp_{i}": materials.lamp(self._rng, light, place) for i, light in enumerate(lights)}
        return {"room": materials.room(self._rng, lights), **lamps}

    def _load(self, description: Description) -> Any:
        return self._mitsuba.load_dict(self._native(description))

    def _native(self, value: Any) -> Any:
        """A description with Mitsuba's types for its arrays: transforms (4, 4), pictures (H, W, C)."""
        if isinstance(value, dict):
            return {key: self._native(item) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return (self._mitsuba.ScalarTransform4f if value.ndim == 2 else self._mitsuba.Bitmap)(value)
        return value


def kind(visual: Visual) -> str:
    """The gripper's left and right links are of one kind: they share mesh and material."""
    return f"{visual.mesh or visual.name} {visual.grey} {visual.specular}".replace(".", "_")


def parts(visual: Visual) -> list[Description]:
    """What a visual consists of, in its own frame."""
    if visual.mesh is not None:
        return [{"type": "obj", "filename": str(visual.mesh)}]
    if visual.primitive == "sphere":
        return [{"type": "sphere", "radius": visual.size[0]}]
    if visual.primitive == "cylinder":
        radius, length = visual.size
        ends = [geometry.pose((0.0, 0.0, z)) @ np.diag([radius, radius, 1.0, 1.0]) for z in (-length / 2, length / 2)]
        wall = {"type": "cylinder", "radius": radius, "p0": [0.0, 0.0, -length / 2], "p1": [0.0, 0.0, length / 2]}
        return [wall, *({"type": "disk", "to_world": end} for end in ends)]
    if visual.xy_to_texture is not None:  # of a box with a pattern, its top
        top = geometry.pose((0.0, 0.0, visual.size[2])) @ np.diag([*visual.size[:2], 1.0, 1.0])
        return [{"type": "rectangle", "to_world": top}]
    return [{"type": "cube", "to_world": np.diag([*visual.size, 1.0])}]


def _exposed(light: NDArray[np.float32], gain: float) -> Image:
    return np.clip(gain * light, 0.0, 255.0).astype(np.uint8)
