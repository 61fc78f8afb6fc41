"""What the path tracer sees where PyBullet has paint and a light: materials, a room and a lamp, drawn at random.

Everything is a description as Mitsuba's ``load_dict`` reads it; the pictures in it are arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kovis_ros.method import geometry
from kovis_sim import appearance
from kovis_sim.stage import Visual
from kovis_sim.table import SHADED
from kovis_sim.world import Light

Array = NDArray[np.float64]
Description = dict[str, Any]
SHARES = {"plastic": 0.4, "varied": 0.25, "diffuse": 0.2, "metal": 0.15}
LAMP_DISTANCE_M, LAMP_RADIUS_M = 2.0, (0.05, 0.4)
ROOM_PX = (64, 32)  # width, height of the panorama


def material(rng: np.random.Generator, specular: float, albedo: Description) -> Description:
    """A surface that reflects ``albedo``: plastic, metal, paint; the smoother, the more ``specular`` (0..0.6) it is."""
    roughness = 0.5 - 0.7 * specular
    kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    made: dict[str, Description] = {
        "plastic": {
            "type": "roughplastic",
            "alpha": roughness,
            "int_ior": float(rng.uniform(1.35, 1.7)),
            "diffuse_reflectance": albedo,
        },
        "varied": {
            "type": "principled",
            "base_color": albedo,
            "roughness": float(np.sqrt(roughness)),
            "metallic": float(rng.uniform(0.0, 0.6)),
            "specular": float(rng.uniform(0.2, 0.8)),
        },
        "diffuse": {"type": "diffuse", "reflectance": albedo},
        "metal": {"type": "roughconductor", "material": "none", "alpha": roughness, "specular_reflectance": albedo},
    }
    return {"type": "twosided", "surface": made[kind]}


def paint(visual: Visual) -> Description:
    """Plain grey, or a texture times it."""
    if visual.texture is None:
        return {"type": "rgb", "value": visual.grey}
    picture = np.float32(visual.grey / 255.0) * visual.texture[..., None]
    found: Description = {"type": "bitmap", "bitmap": picture, "raw": True, "wrap_mode": "mirror"}
    if visual.xy_to_texture is not None:
        found["to_uv"] = _rectangle_to_texture(visual.xy_to_texture, visual.size, len(picture))
    return found


def _rectangle_to_texture(xy_to_texture: Array, half: Sequence[float], side: int) -> Array:
    """Texture coordinates 0..1 of a rectangle to those of a square picture, as the x and y of a (4, 4) transform.

    Pixel (0, 0) is the centre of the first pixel: 0.5 / side.
    """
    x, y = half[:2]
    to_xy = np.array([[2.0 * x, 0.0, -x], [0.0, 2.0 * y, -y], [0.0, 0.0, 1.0]])
    affine = xy_to_texture @ to_xy / side
    result = geometry.pose((*(affine[:, 2] + 0.5 / side), 0.0))
    result[:2, :2] = affine[:, :2]
    return result


def room(rng: np.random.Generator, lights: Sequence[Light]) -> Description:
    """Light from all around, smooth noise: the ambient light, and of the lamps' what PyBullet leaves in a shadow.

    Paths find it by chance alone (weight 0), and aim at lamps only: with both aimed at, noise was 28 % greater.
    """
    noise = cv2.resize(appearance.octaves(rng), ROOM_PX, interpolation=cv2.INTER_AREA)
    noise -= 0.9 * noise.min()  # octaves are a faint pattern; no direction is left in the dark
    radiance = sum(light.ambient + SHADED * light.diffuse * light.direction[2] for light in lights)
    panorama = np.repeat(np.float32(radiance / noise.mean()) * noise[..., None], 3, axis=2)
    return {"type": "envmap", "bitmap": panorama, "sampling_weight": 0.0}


def lamp(rng: np.random.Generator, light: Light, lit: Array) -> Description:
    """A disc that shines at a place ``lit`` (3,) from the light's direction; with ``room`` it is as bright there.

    A disc of area A and radiance L at distance d gives irradiance L A / d^2; diffuse light D means pi D.
    """
    radius = float(rng.uniform(*LAMP_RADIUS_M))
    towards = np.asarray(light.direction)
    world_T_optical = geometry.look_at(lit + LAMP_DISTANCE_M * towards, lit)
    radiance = (1.0 - SHADED) * light.diffuse * (LAMP_DISTANCE_M / radius) ** 2
    return {
        "type": "disk",
        "to_world": world_T_optical @ np.diag([radius, radius, 1.0, 1.0]),
        "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
    }
