"""Find the batch size at which a network trains fastest: doubled until it no longer gains."""

import time
from typing import Any

from experiments.benchmarks import jax_worker
from experiments.benchmarks.serving import Task

_LEAST_GAIN = 1.03
_TIMED_SECONDS = 1.0
_NO_ROOM = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")


def make_task(spec: dict[str, Any]) -> Task:
    """Search, which is all that this task does.

    Args:
      spec: as for `jax_worker.make_task`, "batch_size" being the first; "most", the largest;
        "search_seconds", after which no larger one is begun.

    Returns:
      A task whose facts are "batch_size", the best, "speeds", images per second by batch size,
      and "ended", why no larger one was tried.
    """
    started = time.perf_counter()
    speeds: dict[int, float] = {}
    batch_size, ended = spec["batch_size"], ""
    while not ended:
        try:
            speeds[batch_size] = _speed({**spec, "batch_size": batch_size})
        except Exception as error:
            if not speeds or not any(word in str(error) for word in _NO_ROOM):
                raise
            ended = f"{batch_size} do not fit in memory"
            break
        if speeds[batch_size] < _LEAST_GAIN * speeds.get(batch_size // 2, 0.0):
            ended = f"{batch_size} gain less than 3 %"
        elif 2 * batch_size > spec["most"]:
            ended = "more were not tried"
        elif time.perf_counter() - started > spec["search_seconds"]:
            ended = "the time for the search was up"
        batch_size *= 2
    best = max(speeds, key=lambda size: speeds[size])
    return Task({"batch_size": best, "speeds": speeds, "ended": ended}, warm_up=0)


def _speed(spec: dict[str, Any]) -> float:
    """Give images per second; nothing of the task stays in memory."""
    task = jax_worker.make_task(spec)
    task.step()
    images, started = 0, time.perf_counter()
    while time.perf_counter() - started < _TIMED_SECONDS:
        images += task.step()
    return images / (time.perf_counter() - started)
