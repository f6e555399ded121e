"""JPEG photos to load: those of a folder, or drawings made for the purpose."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from jaxcnn.data.drawn_pets import draw_pet

_SUFFIXES = (".jpg", ".jpeg")
_NUM_DRAWN = 64
_WIDTH_PX, _HEIGHT_PX = 500, 375  # as most photos of ImageNet are
_QUALITY = 90


def find_photos(folder: str | Path) -> list[str]:
    """List the JPEG files of a folder and the folders in it.

    Args:
      folder: where they lie.

    Returns:
      Their paths relative to `folder`, with forward slashes, in order.

    Raises:
      ValueError: if there is none.
    """
    root = Path(folder)
    found = sorted(p for p in root.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    if not found:
        raise ValueError(f"photos is {str(folder)!r}, which holds no .jpg or .jpeg; give a folder.")
    return [path.relative_to(root).as_posix() for path in found]


def draw_photos(folder: str | Path) -> Sequence[str]:
    """Draw pictures of the size of photos into a folder.

    Args:
      folder: where they go.

    Returns:
      Their names.
    """
    for i in range(_NUM_DRAWN):
        picture = Image.fromarray(draw_pet(0, i, _WIDTH_PX)[0]).crop((0, 0, _WIDTH_PX, _HEIGHT_PX))
        picture.save(Path(folder) / f"{i:03d}.jpg", quality=_QUALITY)
    return find_photos(folder)
