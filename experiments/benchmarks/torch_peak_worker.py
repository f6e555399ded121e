"""Measure the best matrix product that PyTorch reaches on the CPU."""

from typing import Any

import torch

from experiments.benchmarks.serving import Task, only_facts, shortest

_SIDE = 2048


def make_task(spec: dict[str, Any]) -> Task:
    """Measure the peak.

    Args:
      spec: "dtype", and "seconds" to spend.

    Returns:
      "gflops" by library.
    """
    matrix = torch.ones(_SIDE, _SIDE, dtype=getattr(torch, spec["dtype"]))
    out = matrix @ matrix
    least = shortest(lambda: torch.matmul(matrix, matrix, out=out), float(spec["seconds"]))
    return only_facts({"gflops": {"torch": 2 * _SIDE**3 / least / 1e9}})
