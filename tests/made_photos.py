"""Folders of photos, made for tests: large enough to be resized, and told apart by colour."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_photos(
    folder: Path,
    *,
    num_classes: int,
    counts: dict[str, int],
    sides_px: tuple[int, int] = (300, 500),
    seed: int = 0,
) -> Path:
    """Write JPEGs of smooth blobs in a colour of their class.

    Args:
      folder: gets split/class/number.jpg.
      num_classes: classes, of evenly spread hues.
      counts: photos of each class, by split.
      sides_px: least and greatest width and height.
      seed: decides the photos.

    Returns:
      `folder`.
    """
    draws = np.random.default_rng(seed)
    for split, count in counts.items():
        for label in range(num_classes):
            (folder / split / f"class_{label}").mkdir(parents=True)
            for i in range(count):
                width, height = draws.integers(*sides_px, size=2, endpoint=True)
                hue = (256 * label // num_classes + draws.integers(-6, 7)) % 256
                small = draws.integers(60, 200, (8, 8, 3)).astype(np.uint8)
                small[..., 0] = hue
                image = Image.fromarray(small, "HSV").convert("RGB")
                image = image.resize((int(width), int(height)), Image.Resampling.BICUBIC)
                image.save(folder / split / f"class_{label}" / f"{i:04d}.jpg", quality=90)
    return folder
