"""Which precision is fastest here: a small training step is timed in bfloat16 and in float32.

bfloat16 halves what is read and written, and processors that multiply it do so several times as
fast; others emulate it, some of them slowly. So the step of a convolution, BatchNorm and ReLU is
tried, forward and gradient, in both. Its finding is kept in the user's cache folder, for each
version of jaxlib and each processor or kind of device. bfloat16 is taken where it is at least
LEAST_RATIO times as fast and its numbers are right.

On a CPU whose flags name neither AVX-512 BF16 nor AMX nothing is tried: float32 it is. Else the
trial is a process of its own, with a time limit: one that crashes or hangs has failed.
`JAXCNN_AUTO_DTYPE=float32` or `bfloat16` chooses without a trial.
"""

import functools
import os
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcnn.host.names import unknown_name
from jaxcnn.ops.batch_norm import batch_norm
from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.cpu import onednn
from jaxcnn.ops.cpu.trial import TrialFailed, in_another_process, kept

DTYPES = ("float32", "bfloat16")
LEAST_RATIO = 1.2
_SWITCH = "JAXCNN_AUTO_DTYPE"
_MOST_ERROR = 0.1  # of a gradient, over its norm; rounding alone makes 0.02 to 0.03
_SECONDS = 120  # limit of the trial in another process
_TURNS = 5
_CPU_SHAPE = (16, 28, 28, 64)
# So much that a call's own cost does not show: 0.2 Tflop a step.
_ACCELERATOR_SHAPE = (64, 56, 56, 128)


class Choice(NamedTuple):
    """A precision, and why it was chosen."""

    dtype: str  # "float32" or "bfloat16"
    reason: str


def fastest_dtype() -> Choice:
    """Choose the precision that trains fastest on the devices of this process.

    Returns:
      bfloat16 where the trial shows that it is faster and right, else float32.

    Raises:
      ValueError: if the environment asks for an unknown precision.
    """
    if asked := os.environ.get(_SWITCH):
        if asked not in DTYPES:
            raise unknown_name(_SWITCH, asked, DTYPES)
        return Choice(asked, f"{_SWITCH} says so")
    return _choose(jax.default_backend())


@functools.cache
def _choose(platform: str) -> Choice:
    if platform == "cpu" and not onednn.multiplies_bfloat16():
        return Choice("float32", "this processor has no instructions for bfloat16")
    if platform == "cpu" and not onednn.has_bfloat16():
        return Choice("float32", "oneDNN's bfloat16 cannot be called here, and XLA's own is slower")
    where = "this processor" if platform == "cpu" else f"this {jax.devices()[0].device_kind}"
    found = _found(platform)
    if found is None:
        return Choice("float32", f"the trial of bfloat16 did not start, or was killed, on {where}")
    if not found["is_right"]:
        return Choice("float32", f"bfloat16 failed its trial on {where}")
    ratio = float(found["ratio"])
    if ratio < LEAST_RATIO:
        return Choice(
            "float32", f"bfloat16 is only {ratio:.2f} times as fast as float32 on {where}"
        )
    return Choice("bfloat16", f"{ratio:.1f} times as fast as float32 on {where}")


def _found(platform: str) -> dict[str, Any] | None:
    """Give what a trial found, now or before: "ratio" and "is_right"; None without a verdict."""
    if platform == "cpu":
        from jaxcnn.host.compilation_cache import machine  # which networks can do without

        about, find = machine(), _compare_in_another_process
    else:
        kind = re.sub(r"\W+", "-", jax.devices()[0].device_kind)
        about, find = f"{platform}-{kind}", compare
    return kept("precision", about, find, "ratio", "is_right")


def _compare_in_another_process() -> dict[str, Any] | None:
    """Compare on the CPU; None where the trial gives no verdict."""
    try:
        return dict(
            in_another_process(
                f"{__name__}:compare", seconds=_SECONDS, environment=onednn.SWITCHED_ON
            )
        )
    except (TrialFailed, TimeoutError):
        return {"ratio": 0.0, "is_right": False}
    except OSError:
        return None


def compare() -> dict[str, Any]:
    """Take the same training step in both precisions, and time it.

    Returns:
      "ratio": float32's seconds over bfloat16's, each the best of several in turn; "is_right":
      whether the gradients agree within the rounding of bfloat16.
    """
    shape = _CPU_SHAPE if jax.default_backend() == "cpu" else _ACCELERATOR_SHAPE
    steps = [_make_step(shape, dtype) for dtype in (jnp.float32, jnp.bfloat16)]
    wide, half = (step() for step in steps)
    seconds = [[_seconds(step) for step in steps] for _ in range(_TURNS)]
    best = [min(turns) for turns in zip(*seconds, strict=True)]
    errors = jax.tree.map(_relative_error, half, wide)
    is_right = all(error <= _MOST_ERROR for error in jax.tree.leaves(errors))
    return {"ratio": best[0] / best[1], "is_right": is_right}


def _make_step(shape: tuple[int, int, int, int], dtype: Any) -> Callable[[], Any]:
    """Make the gradients of a layer in a precision; its parameters are float32."""
    keys = jax.random.split(jax.random.key(0), 3)
    images, weights = (jax.random.normal(key, shape) for key in keys[:2])
    kernel = jax.random.normal(keys[2], (3, 3, shape[3], shape[3])) * (9 * shape[3]) ** -0.5
    affine = jnp.ones(shape[3])

    def loss(
        images: jax.Array, kernel: jax.Array, scale: jax.Array, bias: jax.Array, weights: jax.Array
    ) -> jax.Array:
        convolved = conv2d(images, kernel.astype(dtype))
        y, _, _ = batch_norm(convolved, scale, bias, epsilon=1e-5, activation=jax.nn.relu)
        return (y.astype(jnp.float32) * weights).mean()

    step = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))
    given = (images.astype(dtype), kernel, affine, affine, weights)
    return lambda: jax.block_until_ready(step(*given))


def _seconds(step: Callable[[], Any]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _relative_error(found: jax.Array, expected: jax.Array) -> float:
    difference = found.astype(jnp.float32) - expected.astype(jnp.float32)
    return float(jnp.linalg.norm(difference) / jnp.linalg.norm(expected.astype(jnp.float32)))
