"""A task with images of another size: the same scene, networks and recipe, more or less to see and to compute."""

from __future__ import annotations

import dataclasses

from kovis_ros.method.config import ConfigError, Task


def resized(task: Task, image_px: int | None) -> Task:
    """The task with camera and networks of ``image_px``, each cell of the map as many as before; None: as it is.

    ConfigError for a size that the networks cannot halve from block to block.
    """
    if image_px is None:
        return task
    model = task.model
    cell_px = model.image_size // model.map_size
    unit = cell_px * 2 ** (max(len(model.layers), len(model.decoder_layers)) - 1)
    if image_px < unit or image_px % unit:
        raise ConfigError(f"images of {image_px} px cannot be halved as {task.name} asks: give a multiple of {unit}")
    model = dataclasses.replace(model, image_size=image_px, map_size=image_px // cell_px)
    return dataclasses.replace(task, camera=dataclasses.replace(task.camera, size_px=image_px), model=model)
