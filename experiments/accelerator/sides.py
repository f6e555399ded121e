"""The two sides that are compared: the CPU's values, and the accelerator's."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import numpy as np

from jaxcnn.types import PyTree


def accelerator() -> jax.Device | None:
    """Give the first device that is no CPU; None where there is none."""
    device = jax.devices()[0]
    return None if device.platform == "cpu" else device


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Compute as a user of the CPU does."""
    with jax.default_device(jax.devices("cpu")[0]):
        yield


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Compute on the accelerator; where there is none, what one would run, by this CPU.

    That is the branch of `lax.platform_dependent` for other platforms: the operations' own
    gradients and all around them, with XLA's convolution and pooling in their midst.
    """
    device = accelerator()
    if device is not None:
        with jax.default_device(device):
            yield
        return

    def default_branch(*operands: Any, default: Callable[..., Any], **_: Any) -> Any:
        return default(*operands)

    jax.clear_caches()  # of what was traced for the CPU
    try:
        with mock.patch.object(jax.lax, "platform_dependent", default_branch):
            yield
    finally:
        jax.clear_caches()


def error_of(found: PyTree, reference: PyTree) -> tuple[float, str]:
    """Compare two trees of arrays, leaf by leaf.

    A leaf's error is the norm of the difference over the norm of the reference; a leaf that is
    small beside the others of its tree, such as the gradient of what cancels, is measured by a
    hundredth of the largest. Integers count by their values, likewise. What is not finite on one
    side alone is an error of infinity.

    Args:
      found: the tree to judge.
      reference: the same tree, more exactly.

    Returns:
      The largest error, and the path of its leaf.

    Raises:
      ValueError: if the trees differ in structure or shapes.

    Example:
      >>> error_of({"a": np.array([1.0, 2.0])}, {"a": np.array([1.0, 2.0])})
      (0.0, "['a']")
    """
    leaves = jax.tree.leaves_with_path(reference)
    others = jax.tree.leaves(found)
    if [np.shape(leaf) for _, leaf in leaves] != [np.shape(leaf) for leaf in others]:
        raise ValueError("the two sides gave arrays of other shapes.")
    pairs = [(_wide(leaf), _wide(other)) for (_, leaf), other in zip(leaves, others, strict=True)]
    largest = max((_norm(leaf) for leaf, _ in pairs), default=0.0)
    errors = [_error(leaf, other, 0.01 * largest) for leaf, other in pairs]
    worst = int(np.argmax(errors))
    return errors[worst], jax.tree_util.keystr(leaves[worst][0])


def _wide(leaf: Any) -> np.ndarray:
    return np.asarray(leaf).astype(np.float64)


def _norm(leaf: np.ndarray) -> float:
    return float(np.sqrt(np.square(leaf[np.isfinite(leaf)]).mean())) if leaf.size else 0.0


def _error(reference: np.ndarray, found: np.ndarray, least: float) -> float:
    finite = np.isfinite(reference)
    same = np.array_equal(reference[~finite], found[~finite], equal_nan=True)
    if not same or not np.isfinite(found[finite]).all():
        return float("inf")
    difference = _norm(found[finite] - reference[finite])
    if not difference:
        return 0.0
    norm = max(_norm(reference), least)
    return difference / norm if norm else float("inf")
