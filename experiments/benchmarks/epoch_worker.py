"""Whole epochs of this library's training: shuffled batches of images in memory, and the step."""

from typing import Any

import jax
import numpy as np

from experiments.benchmarks.jax_worker import OPTIMIZER, make_model
from experiments.benchmarks.serving import Task
from jaxcnn import losses
from jaxcnn.data import DecodedSplit, steps_per_epoch, train_batches
from jaxcnn.host.start import prepare_process
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step


def make_task(spec: dict[str, Any]) -> Task:
    """Compile the step of a network and make the images.

    Args:
      spec: as for `jax_worker.make_task`, and "num_images".

    Returns:
      A task whose step is one epoch.
    """
    prepare_process(reuse_memory=spec["reuse_memory"], compilation_cache=False)
    model, batch_size, key = make_model(spec), spec["batch_size"], jax.random.key(0)
    loss_fn = losses.make_loss("softmax", num_classes=spec["num_classes"])
    split = _random_split(spec["num_images"], spec["size_px"], spec["num_classes"])
    state = init_state(key, model, OPTIMIZER, split.image_shape)
    batches = train_batches(split, batch_size=batch_size, seed=0)
    train_step = make_train_step(model, OPTIMIZER, loss_fn, lambda key, image: image)
    compiled = compile_step(train_step, state, next(batches), key, donate_argnums=0)
    steps = steps_per_epoch(len(split), batch_size)

    def epoch() -> int:
        nonlocal state
        previous = None
        for _ in range(steps):
            state, sums = compiled(state, next(batches), key)
            if previous is not None:
                jax.device_get(previous)  # as the loop does, with one step in flight
            previous = sums
        jax.block_until_ready(state)
        return steps * batch_size

    return Task({"compile_seconds": compiled.seconds}, epoch, warm_up=0)


def _random_split(num_images: int, size_px: int, num_classes: int) -> DecodedSplit:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (num_images, size_px, size_px, 3), np.uint8)
    labels = draws.integers(0, num_classes, num_images, np.int32)
    names = [str(i) for i in range(num_images)]
    return DecodedSplit(images, labels, names, tuple(map(str, range(num_classes))))
