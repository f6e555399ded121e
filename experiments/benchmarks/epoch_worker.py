"""Whole epochs of this library's training: shuffled batches of images in memory, and the step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmarks.serving import Task, process_peak_bytes
from jaxcnn import losses
from jaxcnn.data.batches import steps_per_epoch, train_batches
from jaxcnn.data.image_splits import DecodedSplit
from jaxcnn.host.start import prepare_process
from jaxcnn.models import create_model
from jaxcnn.training import step
from jaxcnn.training.compilation import compile_step
from jaxcnn.training.state import init_state


def make_task(spec: dict[str, Any]) -> Task:
    """Compile the step of a network and make the images.

    Args:
      spec: as for `jax_worker.make_task`, and "num_images".

    Returns:
      A task whose step is one epoch.
    """
    prepare_process(reuse_memory=spec["reuse_memory"], compilation_cache=False)
    model = create_model(
        spec["network"], spec["num_classes"], dtype=jnp.dtype(spec["dtype"]), **spec["options"]
    )
    optimizer = optax.sgd(1e-3, momentum=0.9)
    loss_fn = losses.make_loss("softmax", num_classes=spec["num_classes"])
    split = _random_split(spec["num_images"], spec["size_px"], spec["num_classes"])
    key = jax.random.key(0)
    state = init_state(key, model, optimizer, split.image_shape)
    batches = train_batches(split, batch_size=spec["batch_size"], seed=0)
    train_step = step.make_train_step(model, optimizer, loss_fn, lambda key, image: image)
    compiled = compile_step(train_step, state, next(batches), key, donate_argnums=0)
    steps = steps_per_epoch(len(split), spec["batch_size"])

    def epoch() -> int:
        nonlocal state
        previous = None
        for _ in range(steps):
            state, metrics = compiled(state, next(batches), key)
            if previous is not None:
                float(previous.loss_sum)  # as the loop does, with one step in flight
            previous = metrics
        jax.block_until_ready(state)
        return steps * spec["batch_size"]

    return Task(epoch, {"compile_seconds": compiled.seconds}, process_peak_bytes, warm_up=0)


def _random_split(num_images: int, size_px: int, num_classes: int) -> DecodedSplit:
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (num_images, size_px, size_px, 3), np.uint8)
    labels = draws.integers(0, num_classes, num_images, np.int32)
    names = [str(i) for i in range(num_images)]
    return DecodedSplit(images, labels, names, tuple(map(str, range(num_classes))))
