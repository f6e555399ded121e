"""The photos, or the places in them, that a channel responds to most."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.image_grid import Photos
from jaxcnn.plots.rows import PhotoRow, photo_rows
from jaxcnn.plots.text import drawable

_MAX_ROWS, _MAX_COLUMNS = 24, 16


@writes_png
def plot_excitations(
    stage: str,
    channels: Sequence[int] | np.ndarray,
    patches: Sequence[Photos],
    *,
    num_photos: int,
) -> Figure:
    """Draw one row per channel: what it responds to most, the strongest response first.

    Args:
      path: where the PNG goes.
      stage: name of the stage that the channels are of.
      channels: (M,) their numbers, 0 the first; at most 24.
      patches: for each channel 1 to 16 photos, or the parts of them that it responds to.
      num_photos: of the set that they were chosen from.

    Returns:
      `path`.

    Raises:
      ValueError: if the lengths differ or a count is out of range.
    """
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
        f"The strongest responses among {counted(num_photos, 'photo')}, the strongest at left; of "
        "each photo the part that it responds to"
    )
    return photo_rows(rows, title=title, note=note, size=1.35)
