"""The path tracer: PyBullet's geometry with light of its own, the same for the same seed, and the closed loop on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

mitsuba = pytest.importorskip("mitsuba", reason="mitsuba is not installed: pip install 'kovis_ros[path]'")

from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.config import load_task  # noqa: E402
from kovis_ros.method.images import intrinsics  # noqa: E402
from kovis_ros.method.motion import Motion  # noqa: E402
from kovis_sim import materials, path_tracer  # noqa: E402
from kovis_sim.evaluate import evaluate  # noqa: E402
from kovis_sim.landmarks import unproject  # noqa: E402
from kovis_sim.opengl import FAR_M  # noqa: E402
from kovis_sim.path_tracer import PathTracer  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402
from kovis_sim.stage import Visual  # noqa: E402
from kovis_sim.table import Plane  # noqa: E402
from kovis_sim.world import Light  # noqa: E402

SEEDS = (3, 4, 5)


@pytest.fixture(scope="module")
def tracer() -> PathTracer:
    return PathTracer(samples=4)


class Cells(NamedTuple):
    """The same task twice."""

    traced: Scene
    plain: Scene  # drawn by PyBullet

    def reset(self, seed: int) -> None:
        self.traced.reset(seed)
        self.plain.reset(seed)


@pytest.fixture(scope="module", params=["pick_mug", "insert_shaft"])
def cells(request: pytest.FixtureRequest, tracer: PathTracer) -> Iterator[Cells]:
    task = load_task(request.param)
    built = Cells(Scene(task, split="test", renderer=tracer), Scene(task, split="test"))
    yield built
    built.traced.close()
    built.plain.close()


def traced_depth(scene: Scene, tracer: PathTracer, eye: int) -> NDArray[np.float64]:
    """Depth (H, W), metres along the optical axis, of one ray through each pixel; PyBullet's far end for none."""
    camera = scene.cameras()[("left", "right")[eye]]
    places = mitsuba.load_dict({"type": "aov", "aovs": "place:position"})
    drawn = tracer.scene(scene.visuals(), scene.lights())
    points = np.array(mitsuba.render(drawn, sensor=tracer.sensor(camera), integrator=places, spp=1), float)[..., -3:]
    depth = (points - camera[0][:3, 3]) @ camera[0][:3, 2]
    return np.asarray(np.where(points.any(-1), depth, FAR_M))


def apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W) smallest difference of each pixel of ``a`` to ``b`` at it or one of its eight neighbours."""
    wide, (rows, columns) = np.pad(b, 1, mode="edge"), a.shape
    shifted = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.abs(a - np.stack(shifted)).min(0))


@pytest.mark.parametrize("eye", [0, 1], ids=["left", "right"])
def test_both_renderers_see_the_same_shapes(cells: Cells, tracer: PathTracer, eye: int) -> None:
    """Outlines within a pixel, in 1 / depth, which no plane makes steep: 0.2 / m is 5 mm at 0.16 m."""
    for seed in SEEDS:
        cells.reset(seed)
        cells.plain.stereo()
        bullet, traced = cells.plain.truth().depth[eye] * 1e-4, traced_depth(cells.traced, tracer, eye)
        assert np.median(np.abs(traced - bullet)) < 1e-3
        assert (apart(1.0 / traced, 1.0 / bullet) > 0.2).mean() < 0.005
        aside = np.roll(bullet, 2, axis=1)
        assert (apart(1.0 / traced, 1.0 / aside) > 0.2).mean() > 0.015


def test_the_pattern_lies_on_the_table_as_pybullet_has_it(cells: Cells) -> None:
    """Local contrast of the image is that of the albedo; three pixels aside it is less so."""
    for seed in range(20):
        cells.reset(seed)
        eye, K, size = cells.plain.cameras()["left"]
        albedo = Plane(eye, K, size).albedo(cells.plain.look)
        if contrast(albedo).std() > 0.3:
            break
    seen = np.float32(cells.traced.stereo()[0])
    points = unproject(cells.traced.truth().depth[0] * 1e-4, K)
    table = np.abs(points @ eye[2, :3] + eye[2, 3]) < 2e-3  # height above it, metres

    def likeness(pattern: NDArray[np.float32]) -> float:
        return float(np.corrcoef(contrast(seen)[table], contrast(pattern)[table])[0, 1])

    aside = [likeness(np.roll(albedo, shift, axis)) for axis in (0, 1) for shift in (-3, 3)]
    assert likeness(albedo) > max(0.6, 0.1 + max(aside))


def contrast(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image relative to its surroundings: without what light does to it."""
    return np.asarray(image / np.maximum(cv2.GaussianBlur(image, (0, 0), 6.0), 1e-3))


def test_same_seed_same_pair_and_the_trial_of_pybullet(cells: Cells) -> None:
    cells.reset(7)
    left, right = cells.traced.stereo()
    assert left.shape == right.shape == 2 * (cells.plain.task.camera.size_px,) and left.dtype == right.dtype == np.uint8
    assert 60.0 < np.mean([left, right]) < 110.0
    assert not np.array_equal(cells.traced.stereo()[0], left)  # noise is new in every image
    assert not np.array_equal(cells.plain.stereo()[0], left)
    np.testing.assert_array_equal(cells.plain.q, cells.traced.q)
    cells.reset(8)
    cells.reset(7)
    for a, b in zip((left, right), cells.traced.stereo(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_plane_is_as_bright_as_light_says(tracer: PathTracer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Radiance of a matt plane is albedo (ambient + diffuse cos): 0.5 (0.3 + 0.6 * 0.8) = 0.39."""
    monkeypatch.setattr(materials, "material", lambda rng, specular, albedo: {"type": "diffuse", "reflectance": albedo})
    monkeypatch.setattr(materials.appearance, "octaves", lambda rng: np.ones((256, 256), np.float32))
    tracer.dress(np.random.default_rng(0))
    plane = Visual("target", None, "box", (0.5, 0.5, 0.01), 0.5, 0.0, None, None, geometry.pose((0.0, 0.0, -0.01)))
    light = Light((0.6, 0.0, 0.8), 0.3, 0.6, 0.0, True)
    above = geometry.look_at((0.0, 0.0, 0.3), (0.0, 0.0, 0.0))
    seen = tracer.scene([plane], [light])
    picture = np.array(mitsuba.render(seen, sensor=tracer.sensor((above, intrinsics(20.0, 16), 16)), spp=256, seed=1))
    assert picture.mean() == pytest.approx(0.39, rel=0.05)


def test_every_material_and_primitive_can_be_drawn(tracer: PathTracer) -> None:
    rng = np.random.default_rng(0)
    kinds = {materials.material(rng, 0.3, {"type": "rgb", "value": 0.5})["surface"]["type"] for _ in range(60)}
    assert kinds == {"roughplastic", "principled", "diffuse", "roughconductor"}
    sizes = {"box": (0.1, 0.1, 0.1), "cylinder": (0.1, 0.2), "sphere": (0.1,)}
    texture = np.full((8, 8), 200, np.uint8)
    light, above = Light((0.0, 0.6, 0.8), 0.5, 0.5, 0.0, True), geometry.look_at((0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    eyes = dict.fromkeys(("left", "right"), (above, intrinsics(8.0, 4), 4))
    for primitive, size in sizes.items():
        tracer.dress(rng)
        shape = Visual("target", None, primitive, size, 0.8, 0.3, texture, None, np.eye(4))
        assert np.mean(tracer.stereo([shape], eyes, [light])) == pytest.approx(96.0, abs=20.0)


class Still:
    """A servo that claims to be at the goal, and keeps what it saw."""

    task = load_task("pick_mug")
    seen: list[NDArray[np.uint8]] = []

    def keypoints(self, left: NDArray[np.uint8], right: NDArray[np.uint8], K: NDArray[np.float64]) -> None:
        self.seen.append(left)

    def motion(self, keypoints: None) -> Motion:
        return Motion(np.zeros(4, np.float32), 0.0, 1.0)


def test_the_closed_loop_runs_on_traced_images() -> None:
    traced, drawn = (evaluate(Still.task, Still, 1, workers=1, complete=False, samples=n)[0] for n in (1, 0))
    assert traced.start_m == drawn.start_m and traced.steps == drawn.steps
    first, other = Still.seen[0], Still.seen[traced.steps]
    assert np.abs(first.astype(float) - other).mean() > 5.0


@pytest.mark.parametrize(("there", "taken"), [((14, 15, 18, 19), "libLLVM-19"), ((15,), None), ((), None)])
def test_only_an_llvm_that_survives_avx512_is_taken(
    monkeypatch: pytest.MonkeyPatch, there: tuple[int, ...], taken: str | None
) -> None:
    names = {f"LLVM-{version}": f"libLLVM-{version}" for version in there}
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(path_tracer, "find_library", names.get)
    assert path_tracer.compiler() == taken
    assert environment.get("DRJIT_LIBLLVM_PATH") == taken
