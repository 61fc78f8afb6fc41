"""The hash of how a scene looks: what counts, and what may be mended without a table being run again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pybullet", reason="needs pybullet: run make setup")


from kovis_ros.method.config import Task, load_task  # noqa: E402
from kovis_sim import fingerprint  # noqa: E402


def test_comments_docstrings_and_layout_do_not_count() -> None:
    plain = 'def grey(x):\n    if x:\n        x = 2\n    return f"{x} of"\n'
    mended = (
        '"""Module."""\n\n\ndef grey(x):  # a shade\n    """Of paint."""\n    if  x :\n\n'
        '        x = 2\n    # so\n    return f"{x} of"'
    )
    assert fingerprint.code(plain) == fingerprint.code(mended)
    for changed in (plain.replace("2", "3"), plain.replace("    return", "        return"), plain.replace("of", "")):
        assert fingerprint.code(changed) != fingerprint.code(plain)


def test_spaces_do_not_count_as_versions_of_python_split_strings_differently() -> None:
    assert fingerprint.code('x = f"{a + b} of"\n') == fingerprint.code('x = f"{a+b}of"\n')


def test_every_study_has_the_code_that_its_rows_come_from() -> None:
    from kovis_sim.studies import STUDIES

    files = {name: [path.name for path in fingerprint.named(*study.code)] for name, study in STUDIES.items()}
    assert all(f"{name}.py" in listed for name, listed in files.items() if name != "path")
    assert {"path_tracer.py", "materials.py", "success.py"} <= set(files["path"])
    assert all({"metrics.py", "losses.py"} <= set(files[name]) for name in ("keypoints", "anchoring"))
    assert all(("loop.py" in files[name]) == ("closed_loop.py" in files[name]) for name in files)
    assert len({study.code_sha256() for study in STUDIES.values()}) == len(STUDIES)


def test_code_and_meshes_decide_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task: Task = load_task("insert_shaft")
    names = {path.name for path in (*fingerprint.modules(task), *fingerprint.meshes(task))}
    assert {"appearance.py", "landmarks.py", "sensor.py", "bearing.obj", "shaft.obj", "fingertip.obj"} <= names
    assert "mugs.py" in {path.name for path in fingerprint.modules(load_task("pick_mugs"))}
    before = fingerprint.scene_sha256(task)
    assert before == fingerprint.scene_sha256(task) != fingerprint.scene_sha256(load_task("pick_mug"))
    for listed in ("modules", "meshes"):
        with monkeypatch.context() as patch:
            files = getattr(fingerprint, listed)(task)
            other = tmp_path / files[0].name
            other.write_text(files[0].read_text() + "\nx = 1\n")
            patch.setattr(fingerprint, listed, lambda task, files=files, other=other: [other, *files[1:]])
            assert fingerprint.scene_sha256(task) != before
    assert all(path.is_file() for path in fingerprint.modules(load_task("pick_mugs")))
