"""Random crops of whole photos, decoded again for each, as ImageNet recipes use them.

The stored square lacks the photo's edges, and a small crop of it has few pixels to enlarge. Here
each crop is cut from the photo as it was taken, and resized once, with antialiasing.
"""

from typing import NamedTuple

import numpy as np

from jaxcnn.data.decode import decode_and_crop
from jaxcnn.data.image_splits import Decode, ImageSplit, StreamedSplit
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.source import Source

_TRIES = 10

Box = tuple[float, float, float, float]  # left, top, right, bottom; pixels


class CropRange(NamedTuple):
    """How large and how stretched random crops are.

    Attributes:
      least_area: of the crop, as a share of the photo's; uniform between it and 1.
      most_aspect: of width to height, or of height to width, relative to the output; log-uniform.
    """

    least_area: float = 0.08
    most_aspect: float = 4 / 3


def random_box(
    draws: np.random.Generator, width: int, height: int, crops: CropRange, ratio: float = 1.0
) -> Box:
    """Draw the part of a photo that a crop takes.

    Args:
      draws: where randomness comes from.
      width: of the photo, pixels.
      height: of the photo, pixels.
      crops: how large and how stretched the part is.
      ratio: width to height of what it becomes, which an unstretched part has too.

    Returns:
      Left, top, right and bottom, whole pixels: the first of ten draws that fits, else the largest
      centred part whose aspect is allowed.

    Example:
      >>> random_box(np.random.default_rng(0), 8, 8, CropRange(1.0, 1.0))
      (0, 0, 8, 8)

    Source: Szegedy et al. 2014, arXiv:1409.4842, section 6, as torchvision's RandomResizedCrop.
    """
    area = draws.uniform(crops.least_area, 1, _TRIES) * (width * height)
    bound = np.log(crops.most_aspect)
    aspect = ratio * np.exp(draws.uniform(-bound, bound, _TRIES))
    sides = np.rint(np.sqrt([area * aspect, area / aspect])).astype(int)
    fits = ((sides > 0) & (sides <= [[width], [height]])).all(axis=0)
    if fits.any():
        across, down = sides[:, fits.argmax()].tolist()
        left, top = (int(draws.integers(0, room + 1)) for room in (width - across, height - down))
    else:
        across = min(width, max(1, round(height * crops.most_aspect * ratio)))
        down = min(height, max(1, round(width * crops.most_aspect / ratio)))
        left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


class RandomCrops(StreamedSplit):
    """A split whose images are random crops of its photos, another one each time.

    What it gathers, as a `StreamedSplit`, is the photos' middles. A photo that cannot be read comes
    as zeros, marked as missing.

    Args:
      split: photos for training, decoded beforehand or streamed.
      decoding: how photos are decoded; its size is that of the crops.
      crops: how large and how stretched the crops are.
      num_threads: threads that batches are made with.
      max_bad_share: share of bad photos above which gathering and `draw` raise.

    Raises:
      ValueError: if the split has no photos.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> photos = StreamedSplit(DrawnPetsSource("train", 4, size_px=16), Decoding(16))
      >>> split = RandomCrops(photos, Decoding(8), CropRange(least_area=0.35))
      >>> split.draw(np.array([0, 1]), key=(0,))[0].shape
      (2, 8, 8, 3)
    """

    def __init__(
        self,
        split: ImageSplit,
        decoding: Decoding,
        crops: CropRange,
        *,
        num_threads: int = 2,
        max_bad_share: float = 0.05,
    ) -> None:
        source: Source | None = getattr(split, "source", None)
        if source is None:
            raise ValueError("split holds arrays; random crops of whole photos need the photos.")
        super().__init__(
            source, decoding, num_threads=num_threads, max_bad_share=max_bad_share, split="train"
        )
        self._crops = crops

    def draw(self, index: np.ndarray, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Draw a crop of each photo.

        Args:
          index: (B,) the examples; beyond the end of the split their further copies.
          key: whole numbers that decide the draws, together with each index.

        Returns:
          (B, H, W, C) uint8, and (B,) bool, False if missing.
        """
        options = self._decoding._asdict()
        del options["mode"], options["size_px"]
        height, width, _ = self._decoding.image_shape
        ratio = width / height

        def way(example: int) -> Decode:
            draws = np.random.default_rng([*key, example])

            def choose(width: int, height: int) -> Box:
                return random_box(draws, width, height, self._crops, ratio)

            return lambda data: decode_and_crop(data, self._decoding.size_px, choose, **options)

        return self._decode_all(index % len(self), [way(int(i)) for i in index])
