"""Compare ways to load photos: decode, scale the shorter side, cut the centre, make batches."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from experiments.benchmarks import contest
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.speeds import TORCH
from jaxcnn.data.drawn_pets import draw_pet
from jaxcnn.data.workers import usable_cores

logger = logging.getLogger(__name__)

PIPELINES = {
    "jaxcnn": "jaxcnn",
    "pillow": "Pillow in threads",
    "torchvision": "torchvision, DataLoader",
    "tf_data": "tf.data",
}
_SIZE_PX, _BATCH_SIZE = 224, 32
_NUM_DRAWN = 64
_WIDTH_PX, _HEIGHT_PX = 500, 375  # as most photos of ImageNet are


@contextlib.contextmanager
def photos_in(folder: str | None) -> Iterator[dict[str, Any]]:
    """List the JPEG photos in and below a folder, or draw some into one that is removed at the end.

    Args:
      folder: None to draw.

    Yields:
      "folder", and "names" of the photos in it: paths with forward slashes, in order.

    Raises:
      ValueError: if the folder holds no photo.
    """
    if folder is not None:
        yield {"folder": folder, "names": find_photos(folder)}
        return
    with tempfile.TemporaryDirectory() as made:
        logger.info("drawing pictures to load")
        for i in range(_NUM_DRAWN):
            drawn = Image.fromarray(draw_pet(0, i, _WIDTH_PX)[0])
            drawn.crop((0, 0, _WIDTH_PX, _HEIGHT_PX)).save(f"{made}/{i:03d}.jpg", quality=90)
        yield {"folder": made, "names": find_photos(made)}


def find_photos(folder: str | Path) -> list[str]:
    """List the JPEG files in and below a folder, see `photos_in`."""
    root = Path(folder)
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file()
    )
    if not found:
        raise ValueError(f"photos is {str(folder)!r}, which holds no .jpg or .jpeg; give a folder.")
    return [path.relative_to(root).as_posix() for path in found]


def measure_pipelines(photos: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Let the ways to load photos run in turn.

    Args:
      photos: as `photos_in` gives.
      settings: of the whole benchmark.

    Returns:
      As a row: "contestants" and what they loaded.
    """
    num_photos = len(photos["names"])
    about = {
        "size_px": _SIZE_PX,
        "batch_size": min(_BATCH_SIZE, num_photos),
        "cores": usable_cores(),
    }
    with_torch = any(name in TORCH for name in settings.contestants)
    spec = {**photos, **about}
    found = contest.run_row(
        [name for name in PIPELINES if with_torch or name != "torchvision"],
        lambda name: contest.start_worker(
            "pipeline_worker", {**spec, "contestant": name}, settings
        ),
        rounds=settings.rounds,
        seconds=settings.seconds,
    )
    return {"num_photos": num_photos, **about, "contestants": found}
