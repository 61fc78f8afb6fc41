"""Meshes that cannot be used are named in one line, with the remedy."""

import dataclasses

import pytest
import trimesh

from kovis_ros.method.config import ConfigError, load_task, task_names
from kovis_sim import mesh_check


def held(path, collision="bearing/shaft_piece_*.obj"):
    task = load_task("insert_shaft")
    return dataclasses.replace(task, held=dataclasses.replace(task.held, mesh=str(path), collision=collision))


def saved(path, mesh):
    mesh.export(path)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none.obj", "held.mesh '.*none.obj' is no file in .*: add it"),
        (
            lambda folder: saved(folder / "mm.stl", trimesh.creation.cylinder(18.0, 70.0)),
            "is 70 m long: it seems to be in millimetres, scale it by 0.001",
        ),
        (
            lambda folder: saved(folder / "fine.stl", trimesh.creation.icosphere(5, 0.02)),
            "has 20480 triangles of at most 6000: simplify it",
        ),
    ],
)
def test_bad_meshes_are_named(tmp_path, make, message):
    with pytest.raises(ConfigError, match=message):
        mesh_check.check(held(make(tmp_path)))


@pytest.mark.parametrize("number", ["nan", "inf", "1e400"])
def test_a_vertex_that_is_nowhere_is_named(tmp_path, number):
    path = tmp_path / "pin.obj"
    path.write_text(f"v 0 0 0\nv {number} 0 0\nv 0 0.02 0\nv 0 0 0.02\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n")
    with pytest.raises(ConfigError, match=r"pin.obj' has a vertex at \((nan|inf), 0, 0\): export it with finite coord"):
        mesh_check.check(held(path))


@pytest.mark.parametrize("item", ["target", "held"])
@pytest.mark.parametrize("folder", ["bearing", "/"])
def test_a_folder_is_named(item, folder):
    task = load_task("insert_shaft")
    task = dataclasses.replace(task, **{item: dataclasses.replace(getattr(task, item), mesh=folder)})
    with pytest.raises(ConfigError, match=f"{item}.mesh '{folder}' is a folder: give the file of a mesh"):
        mesh_check.check(task)


def test_a_file_without_triangles(tmp_path):
    path = tmp_path / "empty.obj"
    path.write_text("")
    with pytest.raises(ConfigError, match="held.mesh '.*empty.obj' (is empty|cannot be read)"):
        mesh_check.check(held(path))


def test_a_format_without_a_reader(tmp_path):
    """Trimesh reads STEP through a package that is not among ours."""
    path = tmp_path / "pin.step"
    path.write_text("ISO-10303-21;")
    with pytest.raises(ConfigError, match="held.mesh '.*pin.step' is of a format that needs more than trimesh: export"):
        mesh_check.check(held(path))


def test_contacts_need_pieces():
    with pytest.raises(ConfigError, match="held.collision 'bearing/none_.*' matches no file .*: give a glob of convex"):
        mesh_check.check(held("bearing/shaft.obj", "bearing/none_*.obj"))


def test_a_piece_in_other_units_is_named(tmp_path):
    path = saved(tmp_path / "pin.stl", trimesh.creation.cylinder(0.018, 0.07))
    saved(tmp_path / "piece.stl", trimesh.creation.cylinder(18.0, 70.0))
    with pytest.raises(ConfigError, match="held.collision '.*piece.stl' reaches 35 m out of its mesh: export both"):
        mesh_check.check(held(path, str(tmp_path / "piece*.stl")))
    with pytest.raises(ConfigError, match="is 0.07 mm long: no camera sees it"):
        mesh_check.check(held(saved(tmp_path / "tiny.stl", trimesh.creation.box((7e-5, 2e-5, 2e-5)))))


def test_absolute_paths_will_do(tmp_path):
    path = saved(tmp_path / "pin.stl", trimesh.creation.cylinder(0.018, 0.07))
    mesh_check.check(held(path, str(tmp_path / "pin*.stl")))


@pytest.mark.parametrize("name", task_names())
def test_shipped_meshes_pass(name):
    mesh_check.check(load_task(name))


def opened(mesh):
    return trimesh.Trimesh(mesh.vertices, mesh.faces[2:])


@pytest.mark.parametrize(
    "piece",
    [
        opened(trimesh.creation.cylinder(0.018, 0.07)),
        trimesh.creation.annulus(0.010, 0.018, 0.07),  # a handle's hole would be closed
        trimesh.creation.box((0.02, 0.02, 1e-9)),
    ],
    ids=["open", "concave", "flat"],
)
def test_a_piece_that_physics_would_fill_up_is_named(tmp_path, piece):
    path = saved(tmp_path / "pin.stl", trimesh.creation.cylinder(0.018, 0.07))
    saved(tmp_path / "piece_0.stl", trimesh.creation.cylinder(0.018, 0.07))
    saved(tmp_path / "piece_1.stl", piece)
    message = "held.collision '.*piece_1.stl' is not convex and closed: physics .* split it"
    with pytest.raises(ConfigError, match=message):
        mesh_check.check(held(path, str(tmp_path / "piece*.stl")))


def test_a_piece_wound_at_random_is_still_a_solid(tmp_path):
    path = saved(tmp_path / "pin.stl", trimesh.creation.cylinder(0.018, 0.07))
    turned = trimesh.creation.cylinder(0.018, 0.07)
    turned.faces[::3] = turned.faces[::3, ::-1]
    saved(tmp_path / "piece.stl", turned)
    mesh_check.check(held(path, str(tmp_path / "piece.stl")))
