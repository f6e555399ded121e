"""Threads that decode: as many as there are cores, since decoders work without Python's lock."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

_PART = 8192  # items given to the threads at once

Result = TypeVar("Result")


def usable_cores() -> int:
    """Count the cores that this process may run on; at least 1.

    Example:
      >>> usable_cores() >= 1
      True
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone knows it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(
    work: Callable[[int], Result], count: int, num_workers: int, progress: bool
) -> Iterator[Result]:
    """Yield work(0), ..., work(count - 1), in this order.

    Args:
      work: safe for many threads at once.
      count: how often to call it, >= 1.
      num_workers: threads.
      progress: show a bar with the images per second, where standard error is a terminal.

    Yields:
      The results.

    Raises:
      ValueError: if there is nothing to do, or no thread to do it.
    """
    if not count:
        raise ValueError("the source is empty; expected at least one example.")
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; expected at least 1.")
    hidden = None if progress else True  # None: only where nothing can move
    with (
        ThreadPoolExecutor(num_workers) as pool,
        tqdm(total=count, unit="image", desc="decode", disable=hidden) as bar,
    ):
        # By parts, since each call in waiting takes a kilobyte and there may be millions.
        parts = (range(i, min(i + _PART, count)) for i in range(0, count, _PART))
        results = (result for part in parts for result in pool.map(work, part))
        for result in results:
            bar.update()
            yield result
