"""The table in closed form against rays, and against TinyRenderer's own box."""

import numpy as np
import pytest

from kovis_ros.method import geometry
from kovis_ros.method.images import intrinsics
from kovis_sim.shadows import Casters
from kovis_sim.table import SHADED, Plane
from kovis_sim.world import Light, World

SIZE = 64
K = intrinsics(60.0, SIZE)
EYE = geometry.look_at((0.4, -0.1, 0.5), (0.5, 0.0, 0.0))  # an optical frame above the table, oblique
LIGHT = Light((0.3, 0.2, 0.933), 0.4, 0.5, 0.0, True)


def test_depth_is_that_of_a_rendered_box() -> None:
    world = World(gravity=False)
    world.add_box("table", (0.7, 0.7, 0.02), collides=False)
    world.set_pose("table", geometry.pose((0.5, 0.0, -0.02)))
    drawn = world.render(EYE, K, SIZE, LIGHT)
    plane = Plane(EYE, K, SIZE)
    assert plane.inside.all() and np.allclose(plane.depth, drawn.depth, atol=4e-3)
    # diffuse and ambient light are TinyRenderer's too: 255 (0.4 + 0.5 cos)
    expected = 255.0 * plane.light(LIGHT, ()).mean()
    assert drawn.grey.mean() == pytest.approx(expected, rel=0.05)
    world.close()


def test_shadow_lies_where_the_light_throws_it() -> None:
    plane = Plane(EYE, K, SIZE)
    box = np.array(np.meshgrid([0.49, 0.51], [-0.01, 0.01], [0.10, 0.12])).reshape(3, -1).T
    outlines = Casters({"box": [box]}).outlines({"box": np.eye(4)}, LIGHT.direction)
    mask = plane.shadow(outlines)
    # the middle (0.5, 0, 0.11) falls to (0.5, 0) - 0.11 / 0.933 (0.3, 0.2)
    spot = np.array([0.5 - 0.11 * 0.3 / 0.933, -0.11 * 0.2 / 0.933])
    nearest = np.unravel_index(np.hypot(plane.place[0] - spot[0], plane.place[1] - spot[1]).argmin(), (SIZE, SIZE))
    assert mask[nearest] == 1.0 and 0.0 < mask.mean() < 0.05
    light = plane.light(LIGHT, outlines)
    assert light[nearest] == pytest.approx(0.4 + SHADED * 0.5 * 0.933, rel=1e-3)


def test_no_shadow_without_a_caster() -> None:
    plane = Plane(EYE, K, SIZE)
    assert not plane.shadow([]).any()
    assert np.ptp(plane.light(LIGHT, [])) == pytest.approx(0.0)


def test_each_part_of_a_body_has_its_own_shadow_where_the_body_stands() -> None:
    box = np.array(np.meshgrid([-0.01, 0.01], [-0.01, 0.01], [0.0, 0.02])).reshape(3, -1).T
    casters = Casters({"pair": [box, box + [0.1, 0.0, 0.0]], "single": [box]})
    poses = {"pair": geometry.pose((0.4, 0.0, 0.0)), "single": geometry.pose((0.6, 0.1, 0.0))}
    centres = np.array([outline.mean(0) for outline in casters.outlines(poses, (0.0, 0.0, 1.0))])
    assert np.allclose(centres, [[0.4, 0.0], [0.5, 0.0], [0.6, 0.1]], atol=1e-6)


def test_a_camera_that_looks_up_sees_no_table() -> None:
    up = geometry.look_at((0.4, -0.1, 0.5), (0.5, 0.0, 1.5))
    plane = Plane(up, K, SIZE)
    assert not plane.inside.any()
