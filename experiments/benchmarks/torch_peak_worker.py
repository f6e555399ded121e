"""Measure the best matrix product that PyTorch reaches on the CPU."""

import time
from typing import Any

import torch

from experiments.benchmarks.serving import Task, process_peak_bytes, serve

_SIDE = 2048


def main() -> None:
    """Serve as a worker that has told all once it is ready."""
    serve(lambda spec: Task(lambda: 0, peaks(spec), process_peak_bytes, warm_up=0))


def peaks(spec: dict[str, Any]) -> dict[str, Any]:
    """Measure the peak.

    Args:
      spec: "dtype", and "seconds" to spend.

    Returns:
      "gflops" by library.
    """
    matrix = torch.ones(_SIDE, _SIDE, dtype=getattr(torch, spec["dtype"]))
    out = matrix @ matrix
    ended = time.perf_counter() + float(spec["seconds"])
    times: list[float] = []
    while not times or time.perf_counter() < ended:
        started = time.perf_counter()
        torch.matmul(matrix, matrix, out=out)
        times.append(time.perf_counter() - started)
    return {"gflops": {"torch": 2 * _SIDE**3 / min(times) / 1e9}}
