"""A fixed number of views of each example, which a teacher answers once, before training.

See `distillation.AnsweredViews`: training makes the same views again, so only answers are kept.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.training import features
from jaxcnn.training.distillation import AnsweredViews, Teacher
from jaxcnn.training.evaluation import compile_evaluation
from jaxcnn.training.inputs import SplitInput, open_input
from jaxcnn.training.sharding import Layout
from jaxcnn.training.step import Augment, draw_view
from jaxcnn.types import Batch, PyTree

_MOST_BYTES = 2**28  # they are constants of the training step


def answer_views(
    teacher: Teacher,
    train: Any,
    *,
    augment: Augment | None = None,
    preprocessing: Preprocessing | None = None,
    num_views: int = 8,
    seed: int = 0,
    batch_size: int = 32,
    mesh: str | Layout = "auto",
    on_batch: Callable[[int], object] = lambda count: None,
) -> Teacher:
    """Let a teacher answer to some views of each example, so that training need not ask again.

    Args:
      teacher: as `make_teacher` makes.
      train: the data that `fit` will be given; not an iterable of batches.
      augment: that `fit` will be given.
      preprocessing: that `fit` will be given.
      num_views: views of each example, V; more show the student more, and take longer.
      seed: of the views' random draws.
      batch_size: examples per step; no effect on results.
      mesh: devices, as `fit` takes them.
      on_batch: called with the number of examples after each batch.

    Returns:
      The teacher with its answers, N V K numbers of four bytes; training draws from these views.

    Raises:
      ValueError: if the data have no fixed examples, num_views is below 1, or the answers would
        take more than 256 MiB.

    Example:
      >>> teacher = Teacher(lambda views: views.mean((1, 2)))
      >>> images, labels = np.zeros((6, 4, 4, 3), np.uint8), np.arange(6) % 3
      >>> answer_views(teacher, (images, labels), num_views=2).answered.logits.shape
      (6, 2, 3)
    """
    if num_views < 1:
        raise ValueError(f"num_views must be at least 1, got {num_views}.")
    data = open_input(train, preprocessing)
    if not isinstance(data, SplitInput) or hasattr(data.split, "draw"):
        raise ValueError(
            "answer_views needs examples that come again as they are, and train is an iterable of "
            "batches or of random crops; leave answer_views out, and the teacher answers in each "
            "step."
        )
    layout = mesh if isinstance(mesh, Layout) else Layout.make(mesh, batch_size=batch_size)
    key = layout.put_key(jax.random.key(seed))
    batch_size, num_examples = layout.round_up(batch_size), len(data.split)
    shapes = data.shapes(batch_size)
    if shapes.image.dtype != np.uint8:
        preprocessing = None
    elif preprocessing is None:
        preprocessing = Preprocessing()

    def answers(variables: PyTree, batch: Batch, key: jax.Array) -> jax.Array:
        found = []
        for number in range(num_views):
            view = batch._replace(index=jnp.asarray(batch.index) + number * num_examples)
            view = draw_view(view, key, augment, preprocessing=preprocessing)
            found.append(teacher.answer(jnp.asarray(view.image)))
        return jnp.stack(found, axis=1)

    _check_size(jax.eval_shape(answers, {}, shapes, key), num_examples)
    compiled = compile_evaluation(answers, layout, {}, shapes, key)
    batches = data.eval_batches(batch_size, layout.put_batch)
    logits, _ = features.extract(compiled, {}, batches, num_examples, key=key, on_batch=on_batch)
    return teacher._replace(answered=AnsweredViews(seed, logits))


def _check_size(answers: jax.ShapeDtypeStruct, num_examples: int) -> None:
    """Raise for more answers than a compiled step should hold."""
    _, num_views, num_classes = answers.shape
    most = _MOST_BYTES // (4 * num_classes * num_examples)
    if num_views > most:
        raise ValueError(
            f"the answers to {num_views} views of {num_examples:,} examples of {num_classes:,} "
            f"classes take more than {_MOST_BYTES // 2**20} MiB; "
            + (f"give at most {most} views" if most else "leave them out")
            + ", or let the teacher answer in each step."
        )
