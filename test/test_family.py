"""A family of mugs: which shapes are held out, that each can be grasped, and that a scene swaps them at no cost."""

import dataclasses
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

from oracle import Oracle  # noqa: E402

from kovis_ros.method import geometry  # noqa: E402
from kovis_ros.method.config import ConfigError, load_task  # noqa: E402
from kovis_sim import completion, evaluate, family, meshes, mugs, preview, rollouts  # noqa: E402
from kovis_sim.evaluate import run_trial  # noqa: E402
from kovis_sim.path_tracer import kind  # noqa: E402
from kovis_sim.scene import Scene  # noqa: E402

TRAIN, TEST = mugs.members("train"), mugs.members("test")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Meshes of these tests, in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        family.member.cache_clear()
        yield family.cache()
        family.member.cache_clear()


@pytest.fixture(scope="module")
def scene(cache):
    made = Scene(load_task("pick_mugs"), split="test")
    yield made
    made.close()


def seed_of(mug, shapes=TEST):
    """A seed whose trial is with a certain member: the index is the first number that a scene draws."""
    return next(s for s in range(10_000) if shapes[np.random.default_rng(s).integers(len(shapes))] == mug)


def extremes():
    """Of both corners that are held out, the shape furthest from what training sees."""
    return [end(TEST, key=lambda mug: mug.height / mug.radius + 60.0 * mug.hole_width) for end in (min, max)]


# -- shapes -----------------------------------------------------------------------------------------------------
def test_a_fifth_is_held_out_by_slenderness_and_handle_together():
    assert len(set(mugs.family())) == len(mugs.family()) == 75 and len(TEST) == 15
    assert set(TRAIN) | set(TEST) == set(mugs.family()) and not set(TRAIN) & set(TEST)
    slender, squat = (lambda mug: mug.height / mug.radius > 2.55), (lambda mug: mug.height / mug.radius < 2.25)
    wide, narrow = (lambda mug: mug.hole_width > 0.0382), (lambda mug: mug.hole_width < 0.0338)
    for mug in mugs.family():
        assert mugs.held_out(mug) == ((slender(mug) and wide(mug)) or (squat(mug) and narrow(mug)))
    for trait in (slender, squat, wide, narrow):  # each alone is known from training, and tested
        assert sum(map(trait, TRAIN)) >= 5 and any(map(trait, TEST))


def test_every_member_is_closed_and_has_the_triangles_of_the_nominal_one():
    nominal = meshes.mug_mesh(mugs.NOMINAL)
    for mug in mugs.family():
        mesh = meshes.mug_mesh(mug)
        np.testing.assert_array_equal(mesh.faces, nominal.faces)
        assert max(mesh.split(only_watertight=True), key=lambda part: len(part.faces)).extents[2] == pytest.approx(
            mug.height
        )
        rings = meshes.handle_rings(mug, 5)  # its open ends lie in the body's wall, which 40 sides make thinner
        for x, y, z in np.concatenate([rings[0], rings[-1]]):
            outer = mug.radius_at(z)
            assert outer - mug.wall < np.hypot(x, y) < outer * np.cos(np.pi / 40)


def test_the_hooked_pegs_have_room_in_every_hole():
    """Closed about the bar, pegs of 8 by 7 mm lie 14 mm below the goal; the nominal mug leaves them 10 mm."""
    across, up = np.array([-0.004, 0.004]), np.array([-0.0035, 0.0035])
    pegs = np.array(np.meshgrid(across, [-0.008, 0.0, 0.008], up)).reshape(3, -1).T
    for mug in (mugs.NOMINAL, *mugs.family()):
        goal = np.add(load_task("pick_mugs").goal.position_m, mugs.goal_shift(mug))
        gaps = trimesh.proximity.closest_point_naive(meshes.mug_mesh(mug), pegs + goal - [0.0, 0.0, 0.014])[1]
        assert gaps.min() > 0.008
        tip = goal[0] - 0.011  # the fingertips are 22 mm wide and pass the body at its rim
        assert tip - mug.radius > 0.0025 and mug.hole_bottom - mug.bar > 0.005 and mug.depth > 0.0125


# -- landmarks and goal -------------------------------------------------------------------------------------------
def test_points_are_carried_to_the_same_place_of_the_shape():
    nominal = meshes.mug_mesh(mugs.NOMINAL)
    for mug in extremes():
        other = meshes.mug_mesh(mug)
        faces = np.arange(0, len(nominal.faces), 40)
        for corners in ((1.0, 0.0, 0.0), (0.2, 0.3, 0.5)):  # at a corner, within a triangle
            places = [np.einsum("c,ncd->nd", corners, mesh.triangles[faces]) for mesh in (nominal, other)]
            np.testing.assert_allclose(family.carried(places[0], mug), places[1], atol=1e-9)


def test_landmarks_lie_on_the_member(scene):
    for mug in extremes():
        scene.reset(seed_of(mug))
        own = scene.landmarks.target
        assert trimesh.proximity.closest_point_naive(meshes.mug_mesh(mug), own)[1].max() < 1e-3
        assert np.linalg.norm(own - scene._family.landmarks(scene._family.nominal), axis=1).max() > 0.005
        scene.q = scene.goal_q
        scene.stereo()
        assert scene.truth().keypoints[:, : len(own), 2].mean() > 0.9


# -- the scene ----------------------------------------------------------------------------------------------------
def test_same_seed_same_member_and_picture(scene):
    scene.reset(7)
    first = (scene.member.mesh, *scene.stereo(), scene.q.copy(), scene.truth().keypoints)
    for seed in range(8, 12):
        scene.reset(seed)
    assert scene.member.mesh != first[0]
    scene.reset(7)
    assert scene.member.mesh == first[0]
    for a, b in zip(first[1:], (*scene.stereo(), scene.q, scene.truth().keypoints), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_split_draws_its_own_members(scene):
    train = Scene(load_task("pick_mugs"))
    drawn = {}
    for split, each in (("train", train), ("test", scene)):
        drawn[split] = set()
        for _ in range(24):
            each.place_target()
            drawn[split].add(each.member)
    assert drawn["train"].isdisjoint(drawn["test"])
    assert drawn["train"] <= {family.member(mug) for mug in TRAIN} and len(drawn["train"]) > 12
    train.close()


def test_shapes_can_be_of_another_split_than_looks():
    scene = Scene(load_task("pick_mugs"), seed=3, split="test", shapes="train")
    assert scene.split == "test" and scene.member in {family.member(mug) for mug in TRAIN}
    scene.close()


def test_evaluation_draws_shapes_of_the_split_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(evaluate, "Scene", lambda task, **given: given)
    monkeypatch.setattr(evaluate, "run_trial", lambda scene, _, seed, *rest: SimpleNamespace(seed=seed, **scene))
    evaluate._scene.cache_clear()
    for asked, members in ((None, "test"), ("train", "train"), ("test", "test")):
        given = evaluate.evaluate(load_task("pick_mugs"), object, 1, workers=1, shapes=asked)[0]
        assert (given.split, given.shapes) == ("test", members)
    evaluate._scene.cache_clear()


def test_without_a_family_nothing_is_drawn_for_it():
    """The first three numbers of a trial are the target's yaw and place, as before there were families."""
    scene, rng = Scene(load_task("pick_mug"), seed=5), np.random.default_rng(5)
    target = scene.task.target
    yaw = np.radians(rng.uniform(*target.yaw_range_deg))
    x, y = (rng.uniform(*limits) for limits in target.position_range_m)
    assert scene.world_T_target[:2, 3].tolist() == [x, y]
    assert np.arctan2(scene.world_T_target[1, 0], scene.world_T_target[0, 0]) == pytest.approx(yaw)
    assert scene.member is scene._family.nominal
    scene.close()


def test_a_rollout_has_one_member_whatever_was_recorded_before():
    scene = Scene(load_task("pick_mugs"))
    following = [list(rollouts.rollout(scene, 3, index)) for index in range(4)][-1]
    member = scene.member
    scene.close()
    scene = Scene(load_task("pick_mugs"))
    for a, b in zip(following, rollouts.rollout(scene, 3, 3), strict=True):
        assert scene.member is member
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    scene.close()


def test_the_member_is_what_another_renderer_draws(scene):
    kinds = set()
    for mug in extremes():
        scene.reset(seed_of(mug))
        shown = next(visual for visual in scene.visuals() if visual.name == "target")
        assert shown.mesh == scene.member.mesh
        drawn = trimesh.load(shown.mesh, force="mesh")
        assert drawn.bounds[1, 2] == pytest.approx(mug.height, abs=1e-5)
        kinds.add(kind(shown._replace(grey=0.5, specular=0.1)))
    assert len(kinds) == 2


def test_previews_show_the_nominal_member(scene):
    scene.reset(7)
    preview.stand(scene, 64)
    assert scene.member.mesh == meshes.ASSETS / "mug" / "mug.obj"
    np.testing.assert_allclose(scene.target_T_goal[:3, 3], scene.task.goal.position_m)


def test_a_servo_that_knows_the_truth_lifts_the_extremes(scene):
    for mug in extremes():
        trial = run_trial(scene, Oracle(scene), seed_of(mug))
        assert trial.aligned and trial.success and trial.final_m < 1e-3, mug


def test_a_hand_off_the_hole_lifts_nothing(scene):
    """The goal is the member's own: that of the tallest mug is above the smallest one's handle."""
    small, tall = (end(TEST, key=lambda mug: mug.hole_top) for end in (min, max))
    scene.reset(seed_of(small))
    scene.put(scene.world_T_goal @ geometry.pose((0.0, 0.0, -0.03)))
    assert mugs.goal_shift(tall)[2] - mugs.goal_shift(small)[2] > 0.025
    assert not completion.run(scene).success


def test_swaps_leave_memory_flat_and_other_members_asleep(scene):
    def swap(count):
        for _ in range(count):
            scene.place_target()

    swap(100)  # every member has been loaded
    before, began = resident_bytes(), time.perf_counter()
    swap(1000)
    print(f"a swap: {time.perf_counter() - began:.2f} ms, {(resident_bytes() - before) / 1000:.0f} bytes")
    assert resident_bytes() - before < 3e6
    world = scene.cell.world
    assert len(world) == 3 and len(world._away) == len(TEST)  # all but one, and the nominal one

    def heights():
        return [world._bullet.getBasePositionAndOrientation(body)[0][2] for body in world._away.values()]

    put_m = heights()
    scene.settle()
    world.step(300)  # in 0.3 s they would fall 0.44 m
    np.testing.assert_allclose(heights(), put_m, atol=1e-4)


def resident_bytes():
    """Memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- files --------------------------------------------------------------------------------------------------------
def test_a_folder_is_made_once_and_whole(cache):
    mug = dataclasses.replace(mugs.NOMINAL, height=0.1)
    folder = family.files(mug)
    assert folder.parent == cache and len(list(folder.glob("piece_*.obj"))) == 24
    stamp = (folder / "mug.obj").stat().st_mtime_ns
    assert family.files(mug) == folder and (folder / "mug.obj").stat().st_mtime_ns == stamp
    assert all(len(path.name) == 16 for path in cache.iterdir())  # nothing half made is left


def test_what_cannot_be_is_told(tmp_path, monkeypatch):
    task = load_task("pick_mugs")
    bearing = dataclasses.replace(task.target, mesh="bearing/bearing.obj")
    with pytest.raises(ConfigError, match="'bearing/bearing.obj' is not the nominal member: give 'mug/mug.obj'"):
        family.Family(bearing, "train", np.zeros((0, 3)))
    (tmp_path / "kovis_ros").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="meshes cannot be kept in .*: set XDG_CACHE_HOME"):
        family.files(mugs.NOMINAL)
