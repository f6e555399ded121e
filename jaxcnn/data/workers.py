"""Threads that decode: as many as there are cores, since decoders work without Python's lock."""

import collections
import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 8192  # calls in waiting, of which each takes a kilobyte

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Count the cores that this process may run on; at least 1.

    Example:
      >>> usable_cores() >= 1
      True
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone knows it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_order_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, num_workers: int, num_ahead: int
) -> Generator[Result, None, None]:
    """Yield work(item) of each item in order, computed in threads ahead of their use.

    Args:
      work: safe for many threads at once.
      items: taken one by one, as results are.
      num_workers: threads.
      num_ahead: results that are made before they are asked for, at most. Close the generator to
        stop early: it waits for those that are being made, and drops the others.

    Yields:
      The results.
    """
    waiting: collections.deque[Future[Result]] = collections.deque()
    remaining = iter(items)
    pool = ThreadPoolExecutor(num_workers)
    try:
        while True:
            free = num_ahead - len(waiting)
            waiting.extend(pool.submit(work, item) for item in itertools.islice(remaining, free))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
    from tqdm import tqdm  # here, so that cores can be counted without it

    hidden = None if progress else True  # None: only where nothing can move
    results = in_order_ahead(work, range(count), num_workers=num_workers, num_ahead=_AHEAD)
    with (
        contextlib.closing(results),
        tqdm(total=count, unit="image", desc="decode", disable=hidden) as bar,
    ):
        for result in results:
            bar.update()
            yield result
