"""How many photos a second become batches: this library's loading, and plain Pillow's beside it."""

import io
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.image_splits import StreamedSplit
from jaxcnn.data.source import Example

MakeBatch = Callable[[np.ndarray], object]  # from (B,) positions of files


class _Files:
    """Photos by their paths, all of one class."""

    class_names = ("photo",)

    def __init__(self, files: Sequence[Path | str]) -> None:
        self.names = [str(file) for file in files]
        self.labels = np.zeros(len(files), np.int32)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Example:
        return Example(Path(self.names[i]).read_bytes(), 0, self.names[i])


def decode_rate(
    files: Sequence[Path | str],
    size_px: int,
    *,
    decoder: str = "auto",
    workers: int = 1,
    seconds: float = 3.0,
    batch_size: int = 32,
) -> float:
    """Measure how fast photos are read, decoded, resized, cropped and batched, as in training.

    Args:
      files: photos; they are read in turn, again and again.
      size_px: side of the square images, pixels.
      decoder: "auto", "pillow" or "fast", see `jaxcnn.data.fast_jpeg.choose_decoder`.
      workers: threads, each of which makes whole batches.
      seconds: how long to measure, after one batch that is not counted.
      batch_size: images a batch.

    Returns:
      Images a second, of all threads together.

    Raises:
      ValueError: if there is no file, or a number is out of range.
      BadFilesError: if many of the photos cannot be decoded.
    """
    split = StreamedSplit(_Files(files), size_px=size_px, decoder=decoder)
    return _rate(split.gather, len(files), workers, seconds, batch_size)


def pillow_rate(
    files: Sequence[Path | str],
    size_px: int,
    *,
    workers: int = 1,
    seconds: float = 3.0,
    batch_size: int = 32,
) -> float:
    """Measure the usual way with Pillow alone, for comparison.

    Each photo is opened, converted to RGB, resized by its shorter side, bilinear, its centre is cut
    out, and the batch is stacked.

    Args:
      files: as for `decode_rate`.
      size_px: likewise.
      workers: likewise.
      seconds: likewise.
      batch_size: likewise.

    Returns:
      Images a second, of all threads together.

    Raises:
      ValueError: if there is no file, or a number is out of range.
      OSError: if a photo cannot be read or decoded.
    """

    def make_batch(indices: np.ndarray) -> np.ndarray:
        return np.stack([_usual_way(Path(files[i]).read_bytes(), size_px) for i in indices])

    return _rate(make_batch, len(files), workers, seconds, batch_size)


def _usual_way(data: bytes, size_px: int) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = size_px / min(image.size)
    width, height = (max(size_px, round(n * scale)) for n in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size_px) // 2, (height - size_px) // 2
    return np.asarray(image.crop((left, top, left + size_px, top + size_px)))


def _rate(
    make_batch: MakeBatch, num_files: int, workers: int, seconds: float, batch_size: int
) -> float:
    if not num_files or workers < 1 or batch_size < 1 or seconds <= 0:
        raise ValueError(
            f"got {num_files} files, workers {workers}, batch_size {batch_size}, seconds {seconds};"
            " expected at least one file, worker and image, and a time above 0."
        )
    starts, lock = itertools.count(step=batch_size), threading.Lock()

    def make_next(_: object = None) -> int:
        with lock:
            start = next(starts)
        make_batch(np.arange(start, start + batch_size) % num_files)
        return batch_size

    make_next()  # imports and first allocations
    begun = time.perf_counter()

    def work(_: int) -> int:
        made = 0
        while time.perf_counter() < begun + seconds:
            made += make_next()
        return made

    with ThreadPoolExecutor(workers) as pool:
        images = sum(pool.map(work, range(workers)))
    return images / (time.perf_counter() - begun)
