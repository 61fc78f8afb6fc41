"""A task with images of another size."""

import dataclasses

import pytest

from kovis_ros.cli import main
from kovis_ros.method.config import ConfigError, from_dict, load_task, to_dict
from kovis_ros.method.sizes import resized


@pytest.mark.parametrize("name", ["pick_mug", "insert_plug", "pick_mugs"])
@pytest.mark.parametrize("side", [64, 128, 192, 256])
def test_only_sizes_change(name: str, side: int) -> None:
    task = load_task(name)
    found = from_dict(to_dict(resized(task, side)), "resized")
    assert (found.camera.size_px, found.model.image_size, found.model.map_size) == (side, side, side // 4)
    model = dataclasses.replace(found.model, image_size=task.model.image_size, map_size=task.model.map_size)
    camera = dataclasses.replace(found.camera, size_px=task.camera.size_px)
    assert dataclasses.replace(found, camera=camera, model=model) == task
    assert resized(task, None) == task


@pytest.mark.parametrize("side", [-32, 0, 16, 100, 144])
def test_a_size_that_cannot_be_halved(side: int) -> None:
    """Cells of 4 px, halved three times."""
    with pytest.raises(ConfigError, match=f"images of {side} px cannot be halved as pick_mug .*of 32"):
        resized(load_task("pick_mug"), side)


@pytest.mark.parametrize("words", [["record", "--out", "bag"], ["train", "--data", "bag"], ["bench"]])
def test_told_before_any_work(words: list[str], tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main([words[0], "pick_mug", *words[1:], "--image-px", "100"]) == 2
    told = capsys.readouterr().err
    assert "images of 100 px cannot be halved as pick_mug asks: give a multiple of 32" in told
    assert len(told.splitlines()) == 1 and not list(tmp_path.iterdir())
