"""How many photos per second become batches in the usual way, with Pillow alone."""

import io
import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image


def pillow_rate(
    files: Sequence[Path], size_px: int, *, workers: int, seconds: float, batch_size: int
) -> float:
    """Measure how fast photos become batches.

    Each photo is opened, converted to RGB, resized by its shorter side, bilinear, its centre is cut
    out, and the batch is stacked.

    Args:
      files: photos; they are read in turn, again and again.
      size_px: side of the square images, pixels.
      workers: threads, each of which makes whole batches.
      seconds: how long to measure, after one batch that is not counted.
      batch_size: images per batch.

    Returns:
      Images per second, of all threads together.

    Raises:
      OSError: if a photo cannot be read or decoded.
    """
    starts, lock = itertools.count(step=batch_size), threading.Lock()

    def make_batch() -> np.ndarray:
        with lock:
            start = next(starts)
        taken = (files[i % len(files)] for i in range(start, start + batch_size))
        return np.stack([_load(file, size_px) for file in taken])

    make_batch()  # imports and first allocations
    begun = time.perf_counter()

    def work(_: int) -> int:
        made = 0
        while time.perf_counter() < begun + seconds:
            made += len(make_batch())
        return made

    with ThreadPoolExecutor(workers) as pool:
        images = sum(pool.map(work, range(workers)))
    return images / (time.perf_counter() - begun)


def _load(file: Path, size_px: int) -> np.ndarray:
    image = Image.open(io.BytesIO(file.read_bytes())).convert("RGB")
    scale = size_px / min(image.size)
    width, height = (max(size_px, round(n * scale)) for n in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size_px) // 2, (height - size_px) // 2
    return np.asarray(image.crop((left, top, left + size_px, top + size_px)))
