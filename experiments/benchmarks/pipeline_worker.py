"""Ways to load photos: this library's, Pillow in threads, torchvision's, and tf.data.

Each imports what it needs itself: PyTorch may live in an environment that lacks the rest.
"""

import importlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.benchmarks.serving import Task, Unavailable

_MADE_AHEAD = 8  # batches that may be ready from while a worker waited; they do not count


def make_task(spec: dict[str, Any]) -> Task:
    """Make the loading of batches, without end.

    Args:
      spec: "contestant", "folder", "names" of the photos in it, "size_px", "batch_size", and
        "cores" of this process.

    Returns:
      A task whose step is one batch.

    Raises:
      Unavailable: if a package is not installed.
    """
    load, *packages = _LOADERS[spec["contestant"]]
    batches = load(spec)
    facts = {"versions": {package: metadata.version(package) for package in packages}}
    return Task(facts, lambda: len(next(batches)), warm_up=_MADE_AHEAD)


def _jaxcnn_batches(spec: dict[str, Any]) -> Iterator[Any]:
    """Decode as training on photos too many to keep in memory does."""
    import numpy as np

    from jaxcnn.data import Decoding, FolderSource, StreamedSplit, train_batches

    names = spec["names"]
    labels = np.zeros(len(names), np.int32)
    source = FolderSource(Path(spec["folder"]), ("photo",), tuple(names), labels)
    split = StreamedSplit(source, Decoding(spec["size_px"]), num_threads=spec["cores"])
    batches = train_batches(split, batch_size=spec["batch_size"], seed=0)
    return (batch.image for batch in batches)


def _pillow_batches(spec: dict[str, Any]) -> Iterator[Any]:
    """Make whole batches in as many threads as there are cores."""
    import numpy as np

    paths = itertools.cycle(_paths(spec))

    def make_batch(chosen: list[str]) -> Any:
        return np.stack([np.asarray(_pillow_photo(path, spec["size_px"])) for path in chosen])

    def submit() -> Any:
        return pool.submit(make_batch, list(itertools.islice(paths, spec["batch_size"])))

    pool = ThreadPoolExecutor(spec["cores"])
    waiting = deque(submit() for _ in range(_MADE_AHEAD))
    while True:
        waiting.append(submit())
        yield waiting.popleft().result()


def _pillow_photo(path: str, size_px: int) -> Image.Image:
    """Open a photo, scale its shorter side, bilinear, and cut its centre out."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = size_px / min(image.size)
    width, height = (max(size_px, round(n * scale)) for n in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size_px) // 2, (height - size_px) // 2
    return image.crop((left, top, left + size_px, top + size_px))


class _Photos:
    """Photos by number, decoded when asked for: a data set as PyTorch's loader takes it."""

    def __init__(self, paths: list[str], transform: Callable[[Image.Image], Any]) -> None:
        self._paths, self._transform = paths, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> Any:
        with Image.open(self._paths[i]) as opened:
            return self._transform(opened.convert("RGB"))


def _torchvision_batches(spec: dict[str, Any]) -> Iterator[Any]:
    """Load as torchvision's users do: its transforms in a DataLoader's processes."""
    import torch

    from experiments.benchmarks.torch_worker import import_torchvision

    import_torchvision()
    transforms = importlib.import_module("torchvision.transforms")
    size_px = spec["size_px"]
    steps = [transforms.Resize(size_px), transforms.CenterCrop(size_px), transforms.ToTensor()]
    loader = torch.utils.data.DataLoader(
        _Photos(_paths(spec), transforms.Compose(steps)),
        batch_size=spec["batch_size"],
        shuffle=True,
        num_workers=spec["cores"],
        persistent_workers=True,
        drop_last=True,
    )
    return (batch for epoch in itertools.repeat(loader) for batch in epoch)


def _tf_data_batches(spec: dict[str, Any]) -> Iterator[Any]:
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

    data = tf.data.Dataset.from_tensor_slices(_paths(spec)).repeat()
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return iter(data.batch(spec["batch_size"]).prefetch(tf.data.AUTOTUNE))


def _paths(spec: dict[str, Any]) -> list[str]:
    return [str(Path(spec["folder"]) / name) for name in spec["names"]]


# Of each contestant what makes its batches, and the packages whose versions are told.
_LOADERS: dict[str, tuple[Any, ...]] = {
    "jaxcnn": (_jaxcnn_batches, "jaxcnn"),
    "pillow": (_pillow_batches, "pillow"),
    "torchvision": (_torchvision_batches, "torch", "torchvision"),
    "tf_data": (_tf_data_batches, "tensorflow"),
}
