"""From a CAD export to an object of the simulator: convex pieces that fill it, the budget, given pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")

import trimesh  # noqa: E402
from round_bodies import ROUND  # noqa: E402

from kovis_ros.method.config import ConfigError  # noqa: E402
from kovis_sim import decompose, hulls, mesh_check, meshes, parts, solids, usb  # noqa: E402


@pytest.mark.parametrize(
    ("mesh", "most", "hole"),
    [
        (usb.socket_mesh(usb.UsbB()), 20, (0.0, 0.0, 0.020)),
        (usb.plug_mesh(usb.UsbB()), 6, None),
        (parts.plug_mesh(parts.Plug()), decompose.MOST, (0.0, 0.0, 0.015)),
        (trimesh.creation.annulus(0.020, 0.045, 0.025), decompose.MOST, (0.0, 0.0, 0.0)),
    ],
    ids=["socket", "plug", "bored", "ring"],
)
def test_pieces_fill_the_mesh_and_leave_its_hole_open(
    mesh: trimesh.Trimesh, most: int, hole: tuple[float, float, float] | None
) -> None:
    mesh.merge_vertices()
    pieces, overfill = decompose.convex_pieces(mesh)
    assert 1 < len(pieces) <= most and 0.0 <= overfill < 0.02
    volume, skin = sum(float(piece.volume) for piece in pieces), float(mesh.area) * parts.MARGIN_M
    assert float(mesh.volume) - 3.0 * skin < volume < float(mesh.volume)  # each cut is a skin of its own
    for piece in pieces if hole else []:
        outside = np.einsum("ij,ij->i", piece.face_normals, hole - piece.triangles[:, 0]).max()
        assert outside > 0.005


@pytest.mark.parametrize("name", ROUND)
def test_pieces_of_round_bodies_survive_their_file(name: str, tmp_path: Path) -> None:
    """Convex, closed, of few triangles, nowhere out of the body, and a torus keeps its hole."""
    ROUND[name].export(tmp_path / "round.stl")
    made = solids.prepare(tmp_path / "round.stl", "--target")
    meshes.write_object(tmp_path, "made", made.mesh, made.pieces)
    files = sorted(tmp_path.glob("made_piece_*.obj"))
    assert len(files) == len(made.pieces) and (len(files) == 1) == (name != "torus")
    middle = made.mesh.bounds.mean(0)
    for file in files:
        piece = mesh_check.read(file, name)
        mesh_check.check_piece(piece, made.mesh, name)
        assert len(piece.faces) <= 2 * hulls.CORNERS
        assert np.all(piece.bounds[0] >= made.mesh.bounds[0]) and np.all(piece.bounds[1] <= made.mesh.bounds[1])
        if name == "torus":
            hull = piece.convex_hull
            assert np.einsum("ij,ij->i", hull.face_normals, middle - hull.triangles[:, 0]).max() > 0.015


def test_a_body_that_cannot_be_cut_is_told_as_our_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the fault of a piece that nobody gave."""
    ROUND["capsule"].export(tmp_path / "peg.stl")
    opened = trimesh.Trimesh(ROUND["capsule"].vertices, ROUND["capsule"].faces[2:])
    monkeypatch.setattr(decompose, "convex_pieces", lambda mesh: ([opened], 0.0))
    with pytest.raises(ConfigError, match="--held .*peg.stl cannot be cut .*: put pieces peg_piece_\\*.stl beside it"):
        solids.prepare(tmp_path / "peg.stl", "--held")


def test_a_fine_mesh_is_simplified_and_says_so(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(5, 0.02)
    ball.export(tmp_path / "ball.stl")
    made = solids.prepare(tmp_path / "ball.stl", "--target")
    assert len(made.mesh.faces) <= 6000 and made.mesh.extents == pytest.approx([0.04] * 3, abs=2e-4)
    assert any(note.startswith("simplified from 20480 to") for note in made.notes)


def test_pieces_beside_a_mesh_are_taken(tmp_path: Path) -> None:
    """The shipped mug is not closed where handle and body meet, and needs none made."""
    meshes.write_mug(tmp_path, meshes.Mug())
    for piece in tmp_path.glob("piece_*.obj"):
        piece.rename(piece.with_name(f"mug_{piece.name}"))
    made = solids.prepare(tmp_path / "mug.obj", "--target")
    assert len(made.pieces) == 24 and made.notes == ["24 convex pieces from beside the mesh"]
