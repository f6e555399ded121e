"""CIFAR-10 from a folder, read with Pillow and numpy alone."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.workers import usable_cores

_SIDE_PX = 32


def check(folder: Path) -> None:
    """Refuse a folder that holds no CIFAR-10.

    Raises:
      ValueError: if so, saying what is expected.
    """
    for part in ("train", "test"):
        packed = [folder / f"{part}.jpegs", folder / f"{part}.tsv"]
        if not all(path.is_file() for path in packed) and not (folder / part).is_dir():
            raise ValueError(
                f"cifar10 (={folder}) holds neither {part}.jpegs with {part}.tsv nor a folder "
                f"{part}; name a folder with both splits of CIFAR-10."
            )


def read(folder: Path, part: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a split.

    Args:
      folder: holds PART.jpegs, JPEG files one after the other, and PART.tsv, a row for each with
        "offset", "length" in bytes and "label"; or PART/CLASS/ of picture files, the classes being
        numbered in the order of their names.
      part: "train" or "test".
      limit: read this many, of all classes; None for all.

    Returns:
      (N, 32, 32, 3) uint8, and (N,) int32 labels.

    Raises:
      ValueError: if a picture is no 32 x 32 px, or there is none.
    """
    packed = folder / f"{part}.jpegs"
    openers, labels = _packed(packed) if packed.is_file() else _files(folder / part)
    if not labels:
        raise ValueError(f"{folder} has no picture of the split {part}.")
    step = max(1, len(labels) // limit) if limit else 1
    chosen = range(0, len(labels), step)[:limit]
    with ThreadPoolExecutor(usable_cores()) as pool:
        images = list(pool.map(lambda i: _decode(openers[i]()), chosen))
    return np.stack(images), np.array([labels[i] for i in chosen], np.int32)


def _packed(path: Path) -> tuple[list[Callable[[], bytes]], list[int]]:
    data = path.read_bytes()
    with path.with_suffix(".tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))

    def opener(start: int, length: int) -> Callable[[], bytes]:
        return lambda: data[start : start + length]

    openers = [opener(int(row["offset"]), int(row["length"])) for row in rows]
    return openers, [int(row["label"]) for row in rows]


def _files(folder: Path) -> tuple[list[Callable[[], bytes]], list[int]]:
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [(path, i) for i, each in enumerate(classes) for path in sorted(each.iterdir())]
    return [path.read_bytes for path, _ in found], [label for _, label in found]


def _decode(data: bytes) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    if pixels.shape != (_SIDE_PX, _SIDE_PX, 3):
        raise ValueError(f"a picture has shape {pixels.shape}; expected 32 x 32 px.")
    return pixels
