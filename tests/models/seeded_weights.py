"""Weights and images drawn from names and shapes alone, the same for a network and its reference.

numpy only, so that the reference implementations' environments can import it too. RandomState's
stream is frozen by numpy's policy, so the numbers stay the same for good.
"""

import hashlib
import math
import re
from collections.abc import Mapping

import numpy as np

_IS_VARIANCE = re.compile(r"(running_var|moving_variance)$")
_IS_SCALE = re.compile(r"(weight|gamma|scale)$")


def seeded_array(
    name: str, shape: tuple[int, ...], *, layout: str, gains: Mapping[str, float] | None = None
) -> np.ndarray:
    """Draw the array of a name: kernels keep the signal's variance, BatchNorm nearly does nothing.

    Args:
      name: of the array in the reference's own file.
      shape: its shape there.
      layout: "torch" (out, in, height, width) or "tensorflow" (height, width, in, out).
      gains: {regular expression: factor} on kernels and BatchNorm scales whose name it is found in.
        Factors below 1 at the ends of residual branches keep deep networks' logits of natural size.

    Returns:
      float32 of that shape.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    draws = np.random.RandomState(seed)
    gain = math.prod(f for pattern, f in (gains or {}).items() if re.search(pattern, name))
    if len(shape) >= 2:
        drawn = draws.standard_normal(shape) * math.sqrt(2 / _fan_in(name, shape, layout)) * gain
    elif _IS_VARIANCE.search(name):
        drawn = draws.uniform(0.8, 1.2, shape)
    elif _IS_SCALE.search(name):
        drawn = draws.uniform(0.8, 1.2, shape) * gain
    else:  # means, offsets and biases
        drawn = 0.1 * draws.standard_normal(shape)
    return drawn.astype(np.float32)


def _fan_in(name: str, shape: tuple[int, ...], layout: str) -> int:
    if layout == "torch":
        return math.prod(shape[1:])
    return math.prod(shape[:2]) if "depthwise" in name else math.prod(shape[:-1])


def seeded_images(shape: tuple[int, ...]) -> np.ndarray:
    """Draw normalised images, (B, H, W, C) float32 of mean 0 and variance 1."""
    return np.random.RandomState(7).standard_normal(shape).astype(np.float32)


def names_digest(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Fingerprint the names and shapes of a network's arrays, in any order."""
    lines = sorted(f"{name} {tuple(shape)}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
