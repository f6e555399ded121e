"""Differentially private training: clipped gradients of single examples, noise, and its account.

Each example's gradient is scaled down to a norm of at most C, the sum over the batch gets Gaussian
noise of standard deviation (noise multiplier) C on every parameter, and all is divided by the rows
of the batch. What one photo can change is then bounded, and drowned.

Source: Abadi et al. 2016, arXiv:1607.00133, algorithm 1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from optax import contrib

from jaxcnn.host.extras import install
from jaxcnn.types import Array, PyTree

DELTA = 1e-5  # probability that the bound fails, as it is reported


class Privacy(NamedTuple):
    """How gradients are made private.

    Example:
      >>> Privacy(clip_norm=1.0, noise_multiplier=1.1)  # for `private` of `jaxcnn.training.fit`
      Privacy(clip_norm=1.0, noise_multiplier=1.1)
    """

    clip_norm: float  # C, the largest L2 norm of one example's gradient; > 0
    noise_multiplier: float  # standard deviation of the noise on the sum, over C; >= 0


def private_gradients(
    objective: Callable[..., tuple[jax.Array, Any]],
    trained: PyTree,
    key: jax.Array,
    examples: tuple[jax.Array, ...],
    *,
    index: Array,
    privacy: Privacy,
) -> tuple[PyTree, Any]:
    """Take the gradient of each example, clip it, and give the mean of all with noise on it.

    The divisor is the number of rows, padding included: a divisor that told how many examples
    count would need noise of its own.

    Args:
      objective: (trained, key, *example) to (loss, answers), differentiable in the first; an
        example has a batch axis of 1. Padding should have a gradient of zeros.
      trained: tree of the parameters that are trained.
      key: of the step; decides dropout and noise.
      examples: arrays (B, ...), handed to the objective a row at a time.
      index: (B,) integers, by which each example's dropout is drawn.
      privacy: norm and noise.

    Returns:
      The private mean gradient, and the examples' answers, stacked along a new first axis.

    Source: `optax.contrib.differentially_private_aggregate`, with a key for each call in place of
    one kept in its state, so that a resumed run repeats its noise.
    """
    dropout_key, noise_key = jax.random.split(key)
    keys = jax.vmap(lambda i: jax.random.fold_in(dropout_key, i))(jnp.asarray(index))
    rows = tuple(x[:, None] for x in examples)
    of_one = jax.grad(objective, has_aux=True)
    mapped = jax.vmap(of_one, in_axes=(None, 0, *(0 for _ in rows)))
    gradients, answers = mapped(trained, keys, *rows)
    aggregate = contrib.differentially_private_aggregate(
        privacy.clip_norm, privacy.noise_multiplier, noise_key
    )
    mean, _ = aggregate.update(gradients, aggregate.init(gradients))
    return mean, answers


def report(
    privacy: Privacy, *, num_examples: int, batch_size: int, num_steps: int
) -> tuple[dict[str, Any], str]:
    """Say what a training kept private, for the summary and for the screen.

    Args:
      privacy: how gradients were made private.
      num_examples: photos trained on.
      batch_size: photos per step.
      num_steps: updates made.

    Returns:
      JSON values, epsilons None where they are not known; and a line of text.
    """
    noise, epsilons = privacy.noise_multiplier, None
    if noise:
        epsilons = epsilon_bounds(
            noise, num_examples=num_examples, batch_size=batch_size, num_steps=num_steps
        )
    epsilon, if_poisson = epsilons or (None, None)
    record = {
        **privacy._asdict(),
        "delta": DELTA,
        "epsilon": epsilon,
        "epsilon_if_poisson": if_poisson,
    }
    if not noise:
        return record, "private training: gradients clipped, no noise: epsilon has no bound"
    if epsilons is None:
        command = install("privacy")
        return record, f"private training: epsilon unknown; {command} to have it computed"
    return record, (
        f"private training: epsilon {epsilon:.1f} for delta {DELTA:g}, batches shuffled as "
        f"they were. Papers' way of counting gives {if_poisson:.1f}, but assumes "
        "that each batch is a Poisson sample, which these are not. It covers the trained "
        "parameters: "
        "not pictures, training metrics, cached features, or what you chose by trying."
    )


def epsilon_bounds(
    noise_multiplier: float, *, num_examples: int, batch_size: int, num_steps: int
) -> tuple[float, float] | None:
    """Bound what the trained parameters tell of any one training photo, by `dp-accounting`.

    Batches here are shuffled without replacement: within an epoch the batches share no photo, so an
    epoch is one Gaussian mechanism for each photo, and epsilon composes as many as there were
    epochs, begun ones counted whole. It holds without any assumption on the order. The smaller
    figure that papers report takes each batch as a Poisson sample; shuffling is not that, and that
    figure is given for comparison alone (Chua et al. 2024, arXiv:2403.17673, show how far apart
    the two can be).

    Args:
      noise_multiplier: as in `Privacy`, > 0.
      num_examples: photos trained on.
      batch_size: photos per step, at most num_examples.
      num_steps: updates made.

    Returns:
      Epsilon for `DELTA`, and the smaller figure, for two data sets of which one has a photo that
      the other lacks (its place in the batch left empty); None where `dp-accounting` is not
      installed.

    Raises:
      ValueError: if a number is out of its range.
    """
    if noise_multiplier <= 0 or num_steps < 1:
        raise ValueError(
            f"noise_multiplier (={noise_multiplier}) must be above 0 and num_steps (={num_steps}) "
            "at least 1."
        )
    if not 1 <= batch_size <= num_examples:
        raise ValueError(
            f"batch_size (={batch_size}) must be 1 to the number of examples, {num_examples}."
        )
    try:
        import dp_accounting
        from dp_accounting import pld
    except ImportError:
        return None

    def epsilon_of(event: Any, count: int) -> float:
        accountant = pld.PLDAccountant()
        accountant.compose(event, count)
        return float(accountant.get_epsilon(DELTA))

    steps_per_epoch = num_examples // batch_size
    gaussian = dp_accounting.GaussianDpEvent(noise_multiplier)
    sampled = dp_accounting.PoissonSampledDpEvent(batch_size / num_examples, gaussian)
    num_epochs = -(-num_steps // steps_per_epoch)
    return epsilon_of(gaussian, num_epochs), epsilon_of(sampled, num_steps)
