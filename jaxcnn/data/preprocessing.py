"""How photos become network input: one setting for training, evaluation and prediction.

The host decodes photos as `decoding` says (`data.decode`); the device crops, scales and normalises
them as the rest says (`training.preprocessing`).
"""

import dataclasses
from typing import NamedTuple

from jaxcnn.data.image_size import ImageSize, sides
from jaxcnn.host.names import unknown_name


class Decoding(NamedTuple):
    """How photos become arrays of one size: options of `decode_and_resize`, which explains them.

    Example:
      >>> Decoding(224, interpolation="bicubic").image_shape
      (224, 224, 3)
    """

    size_px: ImageSize
    mode: str = "crop"
    num_channels: int = 3
    interpolation: str = "bilinear"
    decoder: str = "auto"
    max_pixels: int = 89_478_485  # `data.opening` has the same, but needs Pillow

    def __repr__(self) -> str:
        # Fingerprints are made of it, and this decides which photos are taken, not their pixels.
        fields = self._asdict().items()
        return f"Decoding({', '.join(f'{n}={v!r}' for n, v in fields if n != 'max_pixels')})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a decoded photo."""
        return *sides(self.size_px), self.num_channels


VIEWS = ("flip", "five_crop", "scales")
"""What evaluation may see of a photo beside its middle."""


def parse_views(text: str) -> tuple[str, ...]:
    """Read which views of a photo evaluation averages over.

    Args:
      text: "none", or some of `VIEWS`, comma-separated.

    Returns:
      Them, each once.

    Raises:
      ValueError: if one is unknown, or "none" is among others.

    Example:
      >>> parse_views("flip,five_crop"), parse_views("none")
      (('flip', 'five_crop'), ())
    """
    words = [word.strip() for word in text.split(",")]
    if "none" in words and len(words) > 1:
        raise ValueError(f"eval_views (={text}) says none and others; leave none out.")
    for word in words:
        if word not in (*VIEWS, "none"):
            raise unknown_name("view in eval_views", word, ("none", *VIEWS))
    return tuple(dict.fromkeys(word for word in words if word != "none"))


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Preprocessing:
    """How a photo becomes what a network takes.

    Attributes:
      decoding: how the host decodes photos.
      image_size_px: side of the centre crop that the network sees, or its (height, width); None for
        images as they come.
      mean: subtracted from pixels in [0, 1]; one number, or one per channel. One half is close to
        the mean of natural photos.
      std: what the result is divided by; one number, or one per channel.
      flip_average: whether answers are averaged over each image and its mirror image.
      views: what they are averaged over too: "five_crop" (the corners of the stored square beside
        its middle), "scales" (things an eighth larger and smaller).

    Example:
      >>> Preprocessing(decoding=Decoding(256), image_size_px=224).image_shape
      (224, 224, 3)
    """

    decoding: Decoding = Decoding(256)
    image_size_px: ImageSize | None = None
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    flip_average: bool = False
    views: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # Fingerprints are made of it, and those of runs without further views lack the field.
        fields = [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]
        named = [f"{name}={value!r}" for name, value in fields if name != "views" or value]
        return f"Preprocessing({', '.join(named)})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images that the network sees."""
        size_px = self.image_size_px or self.decoding.size_px
        return *sides(size_px), self.decoding.num_channels
