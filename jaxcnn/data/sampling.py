"""The order of an epoch: each example once, or classes as often as a sampler wants them."""

from collections.abc import Sequence

import numpy as np

from jaxcnn.host.names import unknown_name

SAMPLERS = ("none", "balanced", "sqrt")

LARGEST_INDEX = 2**31 - 1  # an example's index is int32


def class_shares(counts: Sequence[int] | np.ndarray, sampler: str) -> np.ndarray:
    """Give the share of an epoch that each class has.

    "none" takes the classes as they are, "balanced" all alike, "sqrt" by the square root of their
    size, which lies between the two.

    Args:
      counts: (K,) examples of each class.
      sampler: one of `SAMPLERS`.

    Returns:
      (K,) float64 with sum 1; 0 for a class without examples.

    Raises:
      ValueError: if the sampler is unknown, or there is no example.

    Example:
      >>> class_shares([90, 10], "balanced"), class_shares([90, 10], "sqrt")
      (array([0.5, 0.5]), array([0.75, 0.25]))

    Source: Kang et al. 2020, arXiv:1910.09217, section 3, equation 1 with q = 1, 0 and 1/2.
    """
    if sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, SAMPLERS)
    counts = np.asarray(counts, np.float64)
    if not counts.sum() > 0:
        raise ValueError("there is no example to sample; give at least one.")
    power = {"none": 1.0, "balanced": 0.0, "sqrt": 0.5}[sampler]
    weights = np.where(counts > 0, counts**power, 0)
    return np.asarray(weights / weights.sum())


def epoch_order(num_examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """Order the examples of an epoch, from (seed, epoch) alone.

    Args:
      num_examples: number of examples to train on.
      seed: >= 0; another seed gives other orders.
      epoch: number of the epoch, from 0.

    Returns:
      (num_examples,) int64, a permutation.

    Example:
      >>> sorted(epoch_order(4, seed=0, epoch=1).tolist())
      [0, 1, 2, 3]
    """
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def sampled_order(labels: np.ndarray, *, sampler: str, seed: int, epoch: int) -> np.ndarray:
    """Order the examples of an epoch in which each class has the share that a sampler wants.

    An epoch stays as long as it was. Within a class no example comes again before all others came,
    so copies differ by at most one.

    Args:
      labels: (N,) integers, the class of each example.
      sampler: one of `SAMPLERS`; "none" is `epoch_order`.
      seed: >= 0.
      epoch: number of the epoch, from 0.

    Returns:
      (N,) int64. The r-th copy of example i, from 0, is i + r * N, so that augmentation, which
      draws by the index, gives it other draws.

    Raises:
      ValueError: if the labels are not one class per example.

    Example:
      >>> order = sampled_order(np.array([0, 0, 0, 1]), sampler="balanced", seed=0, epoch=0)
      >>> sorted((order % 4 == 3).tolist())
      [False, False, True, True]
    """
    labels = np.asarray(labels)
    if sampler == "none":
        return epoch_order(len(labels), seed=seed, epoch=epoch)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"sampler (={sampler}) needs one class per example; got labels of shape "
            f"{labels.shape} and type {labels.dtype}. Leave it at none."
        )
    total, rng = len(labels), np.random.default_rng([seed, epoch])
    shares = class_shares(np.bincount(labels), sampler)
    # Rounded so that the sum is exact, and each class has its share on average over epochs.
    ends = np.floor(np.cumsum(shares) * total + rng.random()).astype(np.int64)
    ends[-1] = total
    found = []
    for label, wanted in enumerate(np.diff(ends, prepend=0)):
        own = np.flatnonzero(labels == label)
        rounds = -(-wanted // max(1, len(own))) if wanted else 0
        copies = [rng.permutation(own) + r * total for r in range(rounds)]
        found.append(np.concatenate([*copies, own[:0]])[:wanted])
    return rng.permutation(np.concatenate(found))
