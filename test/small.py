"""A task small enough to train in a test."""

import dataclasses

from kovis_ros.method.config import AugmentConfig, ModelConfig, Task, TrainingConfig, load_task
from kovis_ros.method.sizes import resized


def task(epochs: int = 2, **training: object) -> Task:
    """pick_mug with images of 128 px, tiny networks and short epochs."""
    model = ModelConfig(keypoints=4, image_size=64, growth=8, layers=(1, 2), decoder_layers=(1, 1), servo_hidden=(32,))
    recipe = TrainingConfig(epochs=epochs, batch=8, validation_share=0.2, augment=AugmentConfig())
    seen = resized(load_task("pick_mug"), 128)
    return dataclasses.replace(seen, model=model, training=dataclasses.replace(recipe, **training))  # type: ignore[arg-type]
