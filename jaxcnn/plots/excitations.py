"""The photos, or the places in them, that a channel answers most to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.plots.canvas import PathLike, save_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.image_grid import Photos
from jaxcnn.plots.rows import PhotoRow, photo_rows
from jaxcnn.plots.text import counted, drawable

_MAX_ROWS, _MAX_COLUMNS = 24, 16


def plot_excitations(
    path: PathLike,
    stage: str,
    channels: Sequence[int] | np.ndarray,
    patches: Sequence[Photos],
    *,
    num_photos: int,
) -> Path:
    """Draw a row a channel: what it answers most to, the strongest answer first.

    Args:
      path: where the PNG goes.
      stage: name of the stage that the channels are of.
      channels: (M,) their numbers, 0 the first; at most 24.
      patches: for each channel 1 to 16 photos, or the parts of them that the answer is to.
      num_photos: of the set that they were chosen from.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or a count is out of range.
    """
    return save_png(_figure_excitations(stage, channels, patches, num_photos=num_photos), path)


def _figure_excitations(
    stage: str,
    channels: Sequence[int] | np.ndarray,
    patches: Sequence[Photos],
    *,
    num_photos: int,
) -> Figure:
    check_lengths(channels=channels, patches=patches)
    longest = max(len(row) for row in patches)
    if len(patches) > _MAX_ROWS or not 1 <= longest <= _MAX_COLUMNS:
        raise ValueError(
            f"got {len(patches)} channels of up to {longest} patches; expected at most "
            f"{_MAX_ROWS} of 1 to {_MAX_COLUMNS}."
        )
    rows = [
        PhotoRow(f"channel {channel}", list(images))
        for channel, images in zip(channels, patches, strict=True)
    ]
    title = f"What excites {counted(len(rows), 'channel')} of {drawable(stage)}"
    note = (
        f"The strongest answers among {counted(num_photos, 'photo')}, the strongest at left; of "
        "each photo the part that the answer is to"
    )
    return photo_rows(rows, title=title, note=note, size=1.35)
