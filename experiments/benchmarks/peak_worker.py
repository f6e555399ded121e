"""Measure what the machine can do at best: multiplying matrices, and copying memory."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.serving import Task, only_facts, shortest, usable_cores

_SIDE_ON_CPU, _SIDE = 2048, 8192
_COPIED_BYTES = 2**29


def make_task(spec: dict[str, Any]) -> Task:
    """Measure the peaks.

    Args:
      spec: "dtype", and "seconds" to spend on each.

    Returns:
      "gflops" of the best matrix product by library, "copy_gb_per_s" read and written.
    """
    seconds = float(spec["seconds"])
    on_cpu = jax.default_backend() == "cpu"
    found = {"jax": _jax_gflops(spec["dtype"], _SIDE_ON_CPU if on_cpu else _SIDE, seconds)}
    if on_cpu and spec["dtype"] == "float32":
        matrix = np.ones((_SIDE_ON_CPU, _SIDE_ON_CPU), np.float32)
        out = np.empty_like(matrix)
        least = shortest(lambda: np.matmul(matrix, matrix, out=out), seconds)
        found["numpy"] = 2 * _SIDE_ON_CPU**3 / least / 1e9
    copy = _copy_on_host if on_cpu else _copy_on_device
    return only_facts({"gflops": found, "copy_gb_per_s": copy(seconds)})


def _jax_gflops(dtype: str, side: int, seconds: float) -> float:
    matrix = jnp.ones((side, side), dtype)
    product = jax.jit(jnp.matmul)
    least = shortest(lambda: product(matrix, matrix).block_until_ready(), seconds)
    return 2 * side**3 / least / 1e9


def _copy_on_host(seconds: float) -> float:
    """Copy with one thread per core, each its own part."""
    count = usable_cores()
    parts = [np.ones(_COPIED_BYTES // 8 // count) for _ in range(count)]
    targets = [np.zeros_like(part) for part in parts]
    with ThreadPoolExecutor(count) as pool:
        least = shortest(lambda: list(pool.map(np.copyto, targets, parts)), seconds)
    return 2 * _COPIED_BYTES / least / 1e9


def _copy_on_device(seconds: float) -> float:
    """Add one to numbers in place: each is read and written once."""
    numbers = jnp.zeros(_COPIED_BYTES // 4, jnp.float32)
    add = jax.jit(lambda x: x + 1.0, donate_argnums=0)

    def work() -> None:
        nonlocal numbers
        numbers = add(numbers).block_until_ready()

    return 2 * _COPIED_BYTES / shortest(work, seconds) / 1e9
