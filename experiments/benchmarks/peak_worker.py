"""Measure what the machine can do at best: multiplying matrices, and copying memory."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from experiments.benchmarks.serving import Task

_SIDE_ON_CPU, _SIDE = 2048, 8192
_COPIED_BYTES = 2**29


def make_task(spec: dict[str, Any]) -> Task:
    """Measure the peaks.

    Args:
      spec: "contestant", what is to multiply: "torch", or else JAX and numpy; "dtype"; "seconds" to
        spend on each.

    Returns:
      "gflops" of the best matrix product by library; of JAX also "copy_gb_per_s", read and written.
    """
    return Task(_torch_peak(spec) if spec["contestant"] == "torch" else _jax_peaks(spec))


def _torch_peak(spec: dict[str, Any]) -> dict[str, Any]:
    import torch  # whose environment may have no JAX

    matrix = torch.ones(_SIDE_ON_CPU, _SIDE_ON_CPU, dtype=getattr(torch, spec["dtype"]))
    out = matrix @ matrix
    return {"gflops": {"torch": _gflops(lambda: torch.matmul(matrix, matrix, out=out), spec)}}


def _jax_peaks(spec: dict[str, Any]) -> dict[str, Any]:
    import jax
    import jax.numpy as jnp
    import numpy as np

    on_cpu = jax.default_backend() == "cpu"
    side = _SIDE_ON_CPU if on_cpu else _SIDE
    ones, product = jnp.ones((side, side), spec["dtype"]), jax.jit(jnp.matmul)
    found = {"jax": _gflops(lambda: product(ones, ones).block_until_ready(), spec, side)}
    if on_cpu and spec["dtype"] == "float32":
        matrix = np.ones((side, side), np.float32)
        out = np.empty_like(matrix)
        found["numpy"] = _gflops(lambda: np.matmul(matrix, matrix, out=out), spec)
    copy_seconds = (_copy_on_host if on_cpu else _copy_on_device)(spec)
    return {"gflops": found, "copy_gb_per_s": 2 * _COPIED_BYTES / copy_seconds / 1e9}


def _gflops(multiply: Callable[[], Any], spec: dict[str, Any], side: int = _SIDE_ON_CPU) -> float:
    return 2 * side**3 / _shortest(multiply, spec) / 1e9


def _copy_on_host(spec: dict[str, Any]) -> float:
    """Copy with one thread per core, each its own part."""
    import numpy as np

    from jaxcnn.data.workers import usable_cores

    count = usable_cores()
    parts = [np.ones(_COPIED_BYTES // 8 // count) for _ in range(count)]
    targets = [np.zeros_like(part) for part in parts]
    with ThreadPoolExecutor(count) as pool:
        return _shortest(lambda: list(pool.map(np.copyto, targets, parts)), spec)


def _copy_on_device(spec: dict[str, Any]) -> float:
    """Add one to numbers in place: each is read and written once."""
    import jax
    import jax.numpy as jnp

    numbers = jnp.zeros(_COPIED_BYTES // 4, jnp.float32)
    add = jax.jit(lambda x: x + 1.0, donate_argnums=0)

    def work() -> None:
        nonlocal numbers
        numbers = add(numbers).block_until_ready()

    return _shortest(work, spec)


def _shortest(work: Callable[[], Any], spec: dict[str, Any]) -> float:
    """Do some work again and again for a while; return the shortest time that it took."""
    work()
    ended = time.perf_counter() + spec["seconds"]
    times: list[float] = []
    while not times or time.perf_counter() < ended:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
