"""Gradients of single examples: what each would have the network learn, and how far they agree.

BatchNorm is frozen here: networks are called with train=False, so they normalise by the averages
that they keep. With a batch's own statistics an example's loss would depend on its neighbours, and
no gradient would be of one example alone. Dropout is off for the same reason. The mean of the
examples' gradients is thus the batch's gradient of the network as it is evaluated.
"""

import math
from collections.abc import Callable, Container
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxcnn.host.text import counted
from jaxcnn.types import Array, PyTree

LossFn = Callable[[jax.Array, jax.Array], jax.Array]  # (logits, label) -> (B,) nats


class GradientSums(NamedTuple):
    """Sums over examples, so that adding two is exact up to rounding."""

    gradient: PyTree  # sum of the gradients
    square: Array  # () float32, sum of their squared norms
    count: Array  # type: ignore[assignment]  # () int32, examples counted


class NoiseScale(NamedTuple):
    """How much of a gradient is common to all examples, and how much is the single one's."""

    signal: float  # unbiased estimate of |G|^2, the squared norm of the true gradient
    noise: float  # unbiased estimate of tr(Sigma), the variance of one example's gradient
    batch_size: float  # B_simple = noise / signal, in examples; inf where no signal is seen


def make_gradient_summary(
    model: Any, loss_fn: LossFn, *, chunk_size: int = 8, frozen: Container[str] = ()
) -> Callable[[PyTree, Array, Array, Array], tuple[jax.Array, GradientSums]]:
    """Build the gradient norm of each example, and the sums that tell the noise scale.

    Args:
      model: a Flax module called as `model.apply(variables, inputs, train=False)`: BatchNorm uses
        its averages, so that an example's gradient does not depend on the others.
      loss_fn: (logits, label) to one loss per example, as `jaxcnn.losses.make_loss` makes.
      chunk_size: number of examples whose gradients are held at a time; no effect on results beyond
        rounding.
      frozen: names at the top of the parameters of which no gradient is taken.

    Returns:
      summary(variables, inputs, label, mask) to (norms, sums): (B,) float32 L2 norms over all
      parameters but the frozen ones, 0 where the mask is False; and `GradientSums` of the examples
      that count. `inputs` are (B, ...) as the module takes them, already normalised.

    Raises:
      ValueError: if chunk_size is below 1.

    Example:
      >>> from jaxcnn.losses import make_loss
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 2), jnp.ones((3, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> summary = make_gradient_summary(model, make_loss("softmax", num_classes=2))
      >>> label, mask = jnp.array([0, 1, 1]), jnp.array([True, True, False])
      >>> norms, sums = summary(variables, images, label, mask)
      >>> norms.shape, int(sums.count)
      ((3,), 2)

    Source: the norm is the GraNd score of Paul et al. 2021, arXiv:2107.07075, section 2.2;
    deviations: at the trained parameters, not averaged over starts.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}.")

    def gradient(variables: PyTree, x: jax.Array, label: jax.Array, mask: jax.Array) -> PyTree:
        """Take the gradient of one example's loss; zeros where its mask is False."""

        def objective(trained: PyTree) -> jax.Array:
            params = {**variables["params"], **trained}
            logits = model.apply({**variables, "params": params}, x[None], train=False)
            return loss_fn(logits, label[None])[0]

        found = jax.grad(objective)(_without(variables["params"], frozen))
        return jax.tree.map(lambda leaf: jnp.where(mask, leaf, jnp.zeros_like(leaf)), found)

    gradients = jax.vmap(gradient, in_axes=(None, 0, 0, 0))

    def summary(
        variables: PyTree, inputs: Array, label: Array, mask: Array
    ) -> tuple[jax.Array, GradientSums]:
        examples = [jnp.asarray(x) for x in (inputs, label, mask)]
        count = examples[0].shape[0]
        chunks = [_in_chunks(x, min(chunk_size, count)) for x in examples]

        def add_chunk(sums: GradientSums, chunk: list[jax.Array]) -> tuple[GradientSums, jax.Array]:
            found = gradients(variables, *chunk)
            norms = jax.vmap(optax.tree.norm)(found)
            added = GradientSums(
                jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), found),
                jnp.sum(norms**2),
                jnp.sum(chunk[2], dtype=jnp.int32),
            )
            return jax.tree.map(jnp.add, sums, added), norms

        start = GradientSums(
            jax.tree.map(jnp.zeros_like, _without(variables["params"], frozen)),
            jnp.float32(0),
            jnp.int32(0),
        )
        sums, norms = jax.lax.scan(add_chunk, start, chunks)
        return norms.reshape(-1)[:count], sums

    return summary


def noise_scale(sums: GradientSums) -> NoiseScale:
    """Estimate the gradient-noise scale from the gradients of single examples.

    With G_1 the gradient of one example and G_n that of all n:

        E |G_B|^2 = |G|^2 + tr(Sigma) / B
        |G|^2     = (n |G_n|^2 - |G_1|^2) / (n - 1)
        tr(Sigma) = (|G_1|^2 - |G_n|^2) / (1 - 1 / n)

    Both are unbiased; their quotient is not quite.

    Args:
      sums: over at least two examples, as `make_gradient_summary` gives; padding is not in them.

    Returns:
      The estimates. Where the signal comes out as 0 or less, the examples do not tell it from
      noise, and `batch_size` is inf.

    Raises:
      ValueError: if fewer than two examples count.

    Example:
      >>> gradients = jnp.array([[1.0, 1.0], [1.0, -1.0]])  # of two examples
      >>> noise_scale(GradientSums({"w": gradients.sum(0)}, (gradients**2).sum(), jnp.int32(2)))
      NoiseScale(signal=0.0, noise=2.0, batch_size=inf)

    Source: McCandlish et al. 2018, arXiv:1812.06162, appendix A.1, equations A.2 and A.3, for
    batches of 1 and of all.
    """
    count = int(sums.count)
    if count < 2:
        raise ValueError(f"the noise scale needs the gradients of 2 examples or more, got {count}.")
    mean = jax.tree.map(lambda leaf: leaf / count, sums.gradient)
    one_square, all_square = float(sums.square) / count, float(optax.tree.norm(mean)) ** 2
    signal = (count * all_square - one_square) / (count - 1)
    noise = (one_square - all_square) / (1 - 1 / count)
    return NoiseScale(signal, noise, noise / signal if signal > 0 else math.inf)


def explain_noise_scale(noise: NoiseScale, batch_size: int) -> str:
    """Say in a sentence what the gradient-noise scale means for the batch size.

    Args:
      noise: as `noise_scale` gives.
      batch_size: that the run used.

    Returns:
      One sentence.

    Example:
      >>> explain_noise_scale(NoiseScale(1.0, 40.0, 40.0), 32)
      'gradient-noise scale: 40 photos at the end of training, so batches of 32 suit it well.'
    """
    size = counted(round(noise.batch_size), "photo") if noise.signal > 0 else ""
    scale = f"gradient-noise scale: {size} at the end of training, so"
    if noise.signal <= 0:
        return (
            "gradient-noise scale: too large to be measured with these photos: their gradients "
            "cancel at the end of training, so a step is noise whatever the batch size."
        )
    if noise.batch_size > 2 * batch_size:
        return (
            f"{scale} batches of {batch_size} are mostly noise by then; up to about that size, "
            "larger ones with a higher learning rate would need fewer steps."
        )
    if noise.batch_size < batch_size / 2:
        return (
            f"{scale} batches of {batch_size} are larger than they need be; smaller ones would "
            "learn as much per step."
        )
    return f"{scale} batches of {batch_size} suit it well."


def _without(tree: PyTree, names: Container[str]) -> PyTree:
    """Leave out the branches of those names at the top of a tree."""
    return {name: branch for name, branch in tree.items() if name not in names}


def _in_chunks(x: jax.Array, size: int) -> jax.Array:
    """Divide the first axis into rows of `size`, the last one filled up with zeros."""
    rows = -(-x.shape[0] // size)
    filled = jnp.pad(x, [(0, rows * size - x.shape[0])] + [(0, 0)] * (x.ndim - 1))
    return filled.reshape(rows, size, *x.shape[1:])
