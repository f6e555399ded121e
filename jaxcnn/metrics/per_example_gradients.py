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

from jaxcnn.types import Array, PyTree

LossFn = Callable[[jax.Array, jax.Array], jax.Array]  # (logits, label) -> (B,) nats
# (variables, inputs, label, mask) -> gradients, leaves (B, ...)
PerExampleGradients = Callable[[PyTree, Array, Array, Array], PyTree]


class GradientSums(NamedTuple):
    """Sums over examples, so that adding two is exact up to rounding, see `add_sums`."""

    gradient: PyTree  # sum of the gradients
    square: Array  # () float32, sum of their squared norms
    count: Array  # type: ignore[assignment]  # () int32, examples counted


class NoiseScale(NamedTuple):
    """How much of a gradient is common to all examples, and how much is the single one's."""

    signal: float  # unbiased estimate of |G|^2, the squared norm of the true gradient
    noise: float  # unbiased estimate of tr(Sigma), the variance of one example's gradient
    batch_size: float  # B_simple = noise / signal, in examples; inf where no signal is seen


# (variables, inputs, label, mask) -> (B,) norms, sums
GradientSummary = Callable[[PyTree, Array, Array, Array], tuple[jax.Array, GradientSums]]


def make_per_example_gradients(
    model: Any, loss_fn: LossFn, *, frozen: Container[str] = ()
) -> PerExampleGradients:
    """Build the gradient of each example's loss, by `vmap` over `grad`, as a pure function.

    Memory grows with examples times parameters; `make_gradient_summary` keeps a chunk at a time.

    Args:
      model: a Flax module called as `model.apply(variables, inputs, train=False)`: BatchNorm uses
        its averages, see this module's text.
      loss_fn: (logits, label) to one loss an example, as `losses.make_loss` makes.
      frozen: names at the top of the parameters of which no gradient is taken.

    Returns:
      gradients(variables, inputs, label, mask) to the tree of parameters without the frozen ones,
      leaves (B, ...); zeros where the mask is False, whatever stands there. `inputs` are (B, ...)
      as the module takes them, already normalised.

    Example:
      >>> from jaxcnn import create_model, losses
      >>> model, images = create_model("six_conv", 2, depth=1), jnp.ones((3, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> gradients = make_per_example_gradients(model, losses.make_loss("softmax", num_classes=2))
      >>> found = gradients(variables, images, jnp.array([0, 1, 1]), jnp.array([True, True, False]))
      >>> found["head"]["linear"]["bias"].shape
      (3, 2)
    """
    gradient = _gradient_of_one(model, loss_fn, frozen)

    def gradients(variables: PyTree, inputs: Array, label: Array, mask: Array) -> PyTree:
        mapped = jax.vmap(gradient, in_axes=(None, 0, 0, 0))
        return mapped(variables, *(jnp.asarray(x) for x in (inputs, label, mask)))

    return gradients


def make_gradient_summary(
    model: Any, loss_fn: LossFn, *, chunk_size: int = 8, frozen: Container[str] = ()
) -> GradientSummary:
    """Build the gradient norm of each example, and the sums that tell the noise scale.

    Args:
      model: as for `make_per_example_gradients`; BatchNorm uses its averages.
      loss_fn: as for `make_per_example_gradients`.
      chunk_size: so many examples' gradients are held at a time; no effect on results beyond
        rounding.
      frozen: as for `make_per_example_gradients`.

    Returns:
      summary(variables, inputs, label, mask) to (norms, sums): (B,) float32 L2 norms over all
      parameters, 0 where the mask is False; and `GradientSums` of the examples that count.

    Raises:
      ValueError: if chunk_size is below 1.

    Source: the norm is the GraNd score of Paul et al. 2021, arXiv:2107.07075, section 2.2;
    deviations: at the trained parameters, not averaged over starts.
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}.")
    gradients = make_per_example_gradients(model, loss_fn, frozen=frozen)

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
            return add_sums(sums, added), norms

        start = GradientSums(
            jax.tree.map(jnp.zeros_like, _without(variables["params"], frozen)),
            jnp.float32(0),
            jnp.int32(0),
        )
        sums, norms = jax.lax.scan(add_chunk, start, chunks)
        return norms.reshape(-1)[:count], sums

    return summary


def add_sums(a: GradientSums, b: GradientSums) -> GradientSums:
    """Add the sums of some examples to those of others.

    Args:
      a: sums over some examples.
      b: sums over others, of the same tree.

    Returns:
      Sums over all of them.
    """
    return jax.tree.map(jnp.add, a, b)


def noise_scale(sums: GradientSums) -> NoiseScale:
    """Estimate the gradient-noise scale from the gradients of single examples.

    Args:
      sums: over at least two examples, as `make_gradient_summary` gives; padding is not in them.

    Returns:
      The estimates, which are those of `noise_scale_of_batches` for batches of 1 and of all.

    Raises:
      ValueError: if fewer than two examples count.

    Source: McCandlish et al. 2018, arXiv:1812.06162, appendix A.1.
    """
    count = int(sums.count)
    if count < 2:
        raise ValueError(f"the noise scale needs the gradients of 2 examples or more, got {count}.")
    mean = jax.tree.map(lambda leaf: leaf / count, sums.gradient)
    return noise_scale_of_batches(
        float(sums.square) / count, float(optax.tree.norm(mean)) ** 2, small=1, big=count
    )


def noise_scale_of_batches(
    small_square: float, big_square: float, *, small: int, big: int
) -> NoiseScale:
    """Estimate the gradient-noise scale from gradients of batches of two sizes.

        E |G_B|^2 = |G|^2 + tr(Sigma) / B
        |G|^2     = (big |G_big|^2 - small |G_small|^2) / (big - small)
        tr(Sigma) = (|G_small|^2 - |G_big|^2) / (1 / small - 1 / big)

    Both are unbiased where the squares are means over batches; their quotient is not quite.

    Args:
      small_square: mean squared norm of the gradient of batches of `small` examples.
      big_square: of batches of `big` examples.
      small: examples in the smaller batches, >= 1.
      big: examples in the larger ones, > small.

    Returns:
      The estimates. Where the signal comes out as 0 or less, the batches do not tell it from
      noise, and `batch_size` is inf.

    Raises:
      ValueError: if the sizes are not 1 <= small < big.

    Example:
      >>> noise_scale_of_batches(11.0, 2.0, small=1, big=10)
      NoiseScale(signal=1.0, noise=10.0, batch_size=10.0)

    Source: McCandlish et al. 2018, arXiv:1812.06162, appendix A.1, equations A.2 and A.3.
    """
    if not 1 <= small < big:
        raise ValueError(f"batch sizes must be 1 <= small < big, got {small} and {big}.")
    signal = (big * big_square - small * small_square) / (big - small)
    noise = (small_square - big_square) / (1 / small - 1 / big)
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
    scale = f"gradient-noise scale: {noise.batch_size:,.0f} photos at the end of training, so"
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
            "learn as much a step."
        )
    return f"{scale} batches of {batch_size} suit it well."


def _gradient_of_one(
    model: Any, loss_fn: LossFn, frozen: Container[str]
) -> Callable[[PyTree, jax.Array, jax.Array, jax.Array], PyTree]:
    """Make the gradient of one example's loss; zeros where its mask is False."""

    def gradient(variables: PyTree, x: jax.Array, label: jax.Array, mask: jax.Array) -> PyTree:
        def objective(trained: PyTree) -> jax.Array:
            params = {**variables["params"], **trained}
            logits = model.apply({**variables, "params": params}, x[None], train=False)
            return loss_fn(logits, label[None])[0]

        found = jax.grad(objective)(_without(variables["params"], frozen))
        return jax.tree.map(lambda leaf: jnp.where(mask, leaf, jnp.zeros_like(leaf)), found)

    return gradient


def _without(tree: PyTree, names: Container[str]) -> PyTree:
    """Leave out the branches of those names at the top of a tree."""
    return {name: branch for name, branch in tree.items() if name not in names}


def _in_chunks(x: jax.Array, size: int) -> jax.Array:
    """Divide the first axis into rows of `size`, the last one filled up with zeros."""
    rows = -(-x.shape[0] // size)
    filled = jnp.pad(x, [(0, rows * size - x.shape[0])] + [(0, 0)] * (x.ndim - 1))
    return filled.reshape(rows, size, *x.shape[1:])
