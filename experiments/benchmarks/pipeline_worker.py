"""Ways to load photos that need no PyTorch: this library's, plain Pillow, and tf.data."""

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks.pillow_rate import pillow_rate
from experiments.benchmarks.serving import (
    MADE_AHEAD,
    Task,
    Unavailable,
    process_peak_bytes,
    usable_cores,
)
from jaxcnn.data.batches import train_batches
from jaxcnn.data.decode import Decoding
from jaxcnn.data.folder import FolderSource
from jaxcnn.data.image_splits import StreamedSplit


def make_task(spec: dict[str, Any]) -> Task:
    """Make the loading of batches, without end.

    Args:
      spec: "contestant", "folder", "names" of the photos in it, "size_px", "batch_size".

    Returns:
      A task whose step is one batch.

    Raises:
      Unavailable: if its package is not installed.
    """
    if spec["contestant"] == "pillow":
        return _pillow_task(spec)
    batches, package = _MAKERS[spec["contestant"]](spec)

    def step() -> int:
        return len(next(batches))

    facts = {"versions": {package: metadata.version(package)}}
    return Task(step, facts, process_peak_bytes, warm_up=MADE_AHEAD)


def _pillow_task(spec: dict[str, Any]) -> Task:
    """Load by Pillow alone, in as many threads as there are cores."""
    measure = partial(
        pillow_rate,
        [Path(spec["folder"]) / name for name in spec["names"]],
        spec["size_px"],
        workers=usable_cores(),
        batch_size=spec["batch_size"],
    )
    facts = {"versions": {"pillow": metadata.version("pillow")}}
    return Task(lambda: 0, facts, process_peak_bytes, rate=lambda seconds: measure(seconds=seconds))


def _own_batches(spec: dict[str, Any]) -> tuple[Iterator[Any], str]:
    """Decode as training on photos too many to keep in memory does."""
    names = spec["names"]
    labels = np.zeros(len(names), np.int32)
    source = FolderSource(Path(spec["folder"]), ("photo",), tuple(names), labels)
    split = StreamedSplit(source, Decoding(spec["size_px"]), num_threads=usable_cores())
    batches = train_batches(split, batch_size=spec["batch_size"], seed=0)
    return (batch.image for batch in batches), "jaxcnn"


def _tf_data_batches(spec: dict[str, Any]) -> tuple[Iterator[Any], str]:
    """Load by tf.data with as many threads as it likes."""
    try:
        tf = importlib.import_module("tensorflow")
    except ImportError:
        raise Unavailable("tensorflow is not installed") from None
    size_px = spec["size_px"]

    def load(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        sides = tf.cast(tf.shape(image)[:2], tf.float32)
        sides = tf.cast(tf.round(sides * size_px / tf.reduce_min(sides)), tf.int32)
        image = tf.image.resize(image, sides, antialias=True)
        return tf.image.resize_with_crop_or_pad(image, size_px, size_px)

    paths = [str(Path(spec["folder"]) / name) for name in spec["names"]]
    data = tf.data.Dataset.from_tensor_slices(paths).repeat()
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return iter(data.batch(spec["batch_size"]).prefetch(tf.data.AUTOTUNE)), "tensorflow"


_MAKERS: dict[str, Callable[[dict[str, Any]], tuple[Iterator[Any], str]]] = {
    "jaxcnn": _own_batches,
    "tf_data": _tf_data_batches,
}
