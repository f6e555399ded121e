"""An exponential moving average of parameters, which is less noisy than the last of them."""

import jax
import jax.numpy as jnp
import optax

from jaxcnn.optim.schedules import check_range
from jaxcnn.types import Array, PyTree


def ema_update(ema: PyTree, new: PyTree, *, decay: float, step: Array | int) -> PyTree:
    """Move an exponential moving average towards new values.

        d = min(decay, (1 + step) / (10 + step))        ema' = d ema + (1 - d) new

    The smaller d of the first steps lets the average forget the random start.

    Args:
      ema: tree of arrays, the average so far; params or batch statistics alike. What is not
        floating point, such as counters, is taken over as it is.
      new: tree of the same structure, the values to take in.
      decay: share of the average kept in the long run, in [0, 1).
      step: () integer, number of averages taken before this one, as TrainState.step counts.

    Returns:
      The new average, a tree like `ema`.

    Raises:
      ValueError: if decay is out of its range or the trees differ in structure.

    Example:
      >>> ema_update({"w": jnp.zeros(1)}, {"w": jnp.ones(1)}, decay=0.99, step=8)["w"].tolist()
      [0.5]

    Source: TensorFlow's tf.train.ExponentialMovingAverage with num_updates.
    """
    check_range("decay", decay, 0 <= decay < 1, "in [0, 1)")
    # 1 - d, written so that a decay close to 1 loses no digits: 1 - (1 + s)/(10 + s) = 9/(10 + s).
    step_size = jnp.maximum(1.0 - decay, 9.0 / (10.0 + jnp.asarray(step, jnp.float32)))

    def move(new: Array, old: Array) -> Array:
        is_floating = jnp.issubdtype(jnp.result_type(new), jnp.floating)
        return optax.incremental_update(new, old, step_size) if is_floating else new

    return jax.tree.map(move, new, ema)
