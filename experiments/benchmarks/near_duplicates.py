"""How well near-duplicates are told from other photos, on a set made of changed photos.

    python -m experiments.benchmarks.near_duplicates --data_dir=PHOTOS --out=FILE.json

Of each photo five copies are made: a part of 90 % of it, saved again as a JPEG of quality 40, half
as large, mirrored, and moved by 2 % and 10 % brighter, as the next photo of a burst is. A copy and
its photo are a pair to find, as are two copies of one photo; photos and copies of different photos
are not. Each way is measured at several thresholds: recall is the share of the photo-and-copy pairs
that are found, precision the share of all pairs found that are of one photo.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image

from experiments.benchmarks.machine import describe_origin
from jaxcnn.cli import command_line
from jaxcnn.data.splits.perceptual_hash import mirrored, perceptual_hash

_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of photos.")
_COUNT = flags.DEFINE_integer("count", 120, "number of photos that are changed.")
_OUT = flags.DEFINE_string("out", None, "JSON file to write.")

CHANGES = ("crop 90 %", "JPEG quality 40", "half as large", "mirrored", "next of a burst")


def changed(photo: Image.Image, rng: np.random.Generator) -> list[Image.Image]:
    """Make the five copies of a photo, in the order of `CHANGES`.

    Args:
      photo: RGB.
      rng: decides the place of the crop and the shift.

    Returns:
      RGB images.
    """
    width, height = photo.size
    side = 0.9**0.5  # 90 % of the area
    crop = (round(width * side), round(height * side))
    left, top = rng.integers(0, width - crop[0] + 1), rng.integers(0, height - crop[1] + 1)
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=40)
    shift = np.round(0.02 * np.array([width, height]) * rng.choice([-1, 1], 2)).astype(int)
    moved = np.roll(np.asarray(photo), tuple(shift[::-1]), axis=(0, 1))
    brighter = np.clip(moved.astype(np.float32) * 1.1, 0, 255).astype(np.uint8)
    return [
        photo.crop((left, top, left + crop[0], top + crop[1])),
        Image.open(file).convert("RGB"),
        photo.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS),
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        Image.fromarray(brighter),
    ]


def difference_hash(photo: Image.Image) -> int:
    """Hash by whether brightness rises from one of 9 x 8 pixels to the next: 64 bits.

    Source: Krawetz 2013, "Kind of like that"; as the package imagehash computes it.
    """
    small = photo.convert("L").resize((9, 8), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, np.int16)
    bits = np.packbits(pixels[:, 1:] > pixels[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def bit_distances(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Count the bits that differ between each two hashes, (N, N)."""
    return np.bitwise_count(hashes[:, None] ^ others[None, :]).astype(np.int16)


def measure(
    is_close: Callable[[float], np.ndarray], thresholds: Sequence[float], origin: np.ndarray
) -> list[dict[str, Any]]:
    """Give precision and recall at each threshold.

    Args:
      is_close: from a threshold to (N, N) bool.
      thresholds: to try.
      origin: (N,) the photo that each image is of; the first image of each is the photo itself,
        then come its copies in the order of `CHANGES`.

    Returns:
      A row for each threshold.
    """
    rows = []
    same = origin[:, None] == origin[None, :]
    upper = np.triu(np.ones_like(same), 1)
    first = np.arange(0, len(origin), 1 + len(CHANGES))
    for threshold in thresholds:
        close = is_close(threshold) & upper
        found, right = int(close.sum()), int((close & same).sum())
        each = {
            name: float(np.mean([close[i, i + k] for i in first]))
            for k, name in enumerate(CHANGES, start=1)
        }
        rows.append(
            {
                "threshold": threshold,
                "precision": right / found if found else None,
                "wrong_pairs": found - right,
                "recall": float(np.mean(list(each.values()))),
                **each,
            }
        )
    return rows


def features_of(images: list[Image.Image]) -> np.ndarray:
    """Give what EfficientNet-Lite0's last layer takes in, (N, D)."""
    from jaxcnn import Classifier

    classifier = Classifier.from_pretrained()
    parts = []
    for start in range(0, len(images), 32):
        own = [classifier.preprocess(image) for image in images[start : start + 32]]
        padded = np.stack([*own, *[own[0]] * (32 - len(own))])
        parts.append(classifier.probabilities_and_features(padded)[1][: len(own)])
    return np.concatenate(parts)


def main() -> None:
    """Make the set, measure the three ways, and write the results."""
    if not _DATA_DIR.value or not _OUT.value:
        raise ValueError("--data_dir and --out are needed: a folder of photos, and a JSON file.")
    paths = sorted(Path(_DATA_DIR.value).rglob("*.jpg"))
    rng = np.random.default_rng(0)
    chosen = [paths[i] for i in rng.choice(len(paths), _COUNT.value, replace=False)]
    images: list[Image.Image] = []
    for path in chosen:
        photo = Image.open(path).convert("RGB")
        images += [photo, *changed(photo, rng)]
    origin = np.repeat(np.arange(len(chosen)), 1 + len(CHANGES))
    started = time.perf_counter()
    hashes = np.array([perceptual_hash(np.asarray(image)) for image in images], np.uint64)
    hash_seconds = (time.perf_counter() - started) / len(images)
    distance = np.minimum(bit_distances(hashes, hashes), bit_distances(hashes, mirrored(hashes)))
    plain = np.array([difference_hash(image) for image in images], np.uint64)
    plain_distance = bit_distances(plain, plain)
    vectors = features_of(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    ways: list[tuple[str, str, list[float], Callable[[float], np.ndarray]]] = [
        ("features of EfficientNet-Lite0", "cosine {:g}", [0.8, 0.85, 0.9], cosine.__ge__),
        ("perceptual hash", "{} of 63 bits", [6, 8, 10], distance.__le__),
        ("difference hash, as imagehash", "{} of 64 bits", [8, 10, 12], plain_distance.__le__),
    ]
    rows = [
        {"way": way, **row, "threshold": text.format(row["threshold"])}
        for way, text, thresholds, is_close in ways
        for row in measure(is_close, thresholds, origin)
    ]
    about = {
        **describe_origin(
            ["python", "-m", "experiments.benchmarks.near_duplicates", *sys.argv[1:]]
        ),
        "photos": len(chosen),
        "images": len(images),
        "hash_seconds_per_image": hash_seconds,
    }
    Path(_OUT.value).write_text(json.dumps(about | {"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    with command_line.running(__doc__, common=("data_dir", "count", "out")):
        main()
