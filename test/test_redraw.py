"""What a scene tells another renderer is the whole picture: a second one draws it again from that alone."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_ros.method.config import load_task
from kovis_sim.scene import Scene
from kovis_sim.stage import SKY_GREY, Visual
from kovis_sim.table import SHADED
from kovis_sim.world import Light, Picture, World

Array = NDArray[np.float64]
SHARPNESS = 20  # of PyBullet's highlight


def bodies(visuals: Sequence[Visual], eye: Array, K: Array, size: int, light: Light) -> Picture:
    """All but the table, built and painted anew."""
    world = World(gravity=False)
    for visual in visuals:
        if visual.mesh:
            world.add_mesh(visual.name, visual.mesh)
        elif visual.primitive == "box":
            world.add_box(visual.name, visual.size, collides=False)
        else:
            radius, length = (*visual.size, 0.0)[:2]
            world.add_round(visual.name, radius, length)
        texture = -1
        if visual.texture is not None:
            with tempfile.NamedTemporaryFile(suffix=".png") as file:
                cv2.imwrite(file.name, cv2.cvtColor(visual.texture, cv2.COLOR_GRAY2BGR))
                texture = world.load_texture(Path(file.name))
        world.paint(visual.name, visual.grey, visual.specular, texture)
        world.set_pose(visual.name, visual.world_T_shape)
    picture = world.render(eye, K, size, light)
    world.close()
    return picture


def rays(eye: Array, K: Array, size: int) -> Array:
    """(H, W, 3) of each pixel in the world, with depth 1 along the optical axis."""
    rows, columns = np.indices((size, size))
    return np.stack([columns, rows, np.ones((size, size))], -1) @ np.linalg.inv(K).T @ eye[:3, :3].T


def triangles(visual: Visual) -> Array:
    """(n, 3, 3) in the world."""
    if visual.mesh:
        mesh = trimesh.load_mesh(visual.mesh, process=False)
    elif visual.primitive == "box":
        mesh = trimesh.creation.box(2.0 * np.array(visual.size))
    elif visual.primitive == "cylinder":
        mesh = trimesh.creation.cylinder(*visual.size)
    else:
        mesh = trimesh.creation.icosphere(2, visual.size[0])
    return np.asarray(mesh.triangles @ visual.world_T_shape[:3, :3].T + visual.world_T_shape[:3, 3])


def shaded(visuals: Sequence[Visual], light: Light, world_to_pixel: Array, size: int) -> NDArray[np.bool_]:
    """(H, W) of the table: where a body lies between it and the light."""
    mask = np.zeros((size, size), np.uint8)
    for corners in np.concatenate([triangles(visual) for visual in visuals]):
        ground = corners - corners[:, 2:] * (np.array(light.direction) / light.direction[2])
        pixel = ground @ world_to_pixel[:, :3].T + world_to_pixel[:, 3]
        if pixel[:, 2].min() > 1e-3:
            place = np.clip(pixel[:, :2] / pixel[:, 2:], -4 * size, 5 * size)
            cv2.fillConvexPoly(mask, np.int32(np.round(place)), 1)
    return mask > 0


def redrawn(scene: Scene, side: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Grey and depth (H, W) from ``visuals``, ``cameras`` and ``lights``."""
    eye, K, size = scene.cameras()[side]
    table, *others = scene.visuals()
    (light,) = scene.lights()
    picture = bodies(others, eye, K, size, light)
    ray, centre = rays(eye, K, size), eye[:3, 3]
    depth = (table.world_T_shape[2, 3] + table.size[2] - centre[2]) / ray[..., 2]
    place = centre + depth[..., None] * ray - table.world_T_shape[:3, 3]
    on_table = (depth > 0.0) & np.all(np.abs(place[..., :2]) < table.size[:2], -1)

    albedo = np.full((size, size), table.grey)
    if table.texture is not None:
        assert table.xy_to_texture is not None
        x, y = np.moveaxis(place[..., :2] @ table.xy_to_texture[:, :2].T + table.xy_to_texture[:, 2], -1, 0)
        found = cv2.remap(np.float32(table.texture), np.float32(x), np.float32(y), cv2.INTER_LINEAR, None, 2)
        albedo = table.grey * found / 255.0
    away = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    mirrored = away * [1.0, 1.0, -1.0]
    direct = (
        light.diffuse * light.direction[2] + light.specular * np.clip(mirrored @ light.direction, 0, 1) ** SHARPNESS
    )
    if light.shadow:
        world_to_pixel = K @ geometry.inverse(eye)[:3]
        direct = np.where(shaded(others, light, world_to_pixel, size), SHADED * direct, direct)
    behind = np.where(on_table, 255.0 * albedo * (light.ambient + direct), SKY_GREY * albedo)
    before = (picture.body >= 0) & ~(on_table & (depth < picture.depth))
    far = np.where(on_table, depth, picture.depth)
    return np.clip(np.where(before, picture.grey, behind), 0, 255), np.where(before, picture.depth, far)


@pytest.mark.parametrize("name", ["pick_mug", "insert_plug"])
@pytest.mark.parametrize("seed", range(4))
def test_another_renderer_draws_the_very_same_picture(name: str, seed: int) -> None:
    """But for a table's pattern between its pixels and the rims of shadows, grey by grey."""
    scene = Scene(load_task(name), seed=seed, split="test")
    drawn, truth = scene.stereo(), scene.truth()
    for i, side in enumerate(("left", "right")):
        grey, depth = redrawn(scene, side)
        off = np.abs(grey - drawn[i])
        assert np.mean(off > 3.0) < 0.02 and off.mean() < 1.0
        assert off[truth.segmentation[i] > 0].max() == 0.0
        np.testing.assert_allclose(1e-4 * truth.depth[i], np.minimum(depth, 6.5535), atol=2e-4)
    scene.close()
