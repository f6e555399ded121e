"""Channels of a network: its first filters, what a photo becomes in them, what excites them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.host.text import counted
from jaxcnn.plots.canvas import writes_png
from jaxcnn.plots.checks import check_lengths
from jaxcnn.plots.photo_layout import CaptionLine, Photos, Tile, photo_grid, photo_rows
from jaxcnn.plots.style import GREY
from jaxcnn.plots.text import drawable

_MAX_FILTERS, _MAX_ROWS, _MAX_COLUMNS = 64, 24, 16


@writes_png
def plot_feature_maps(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    *,
    channels: Mapping[str, Sequence[int] | np.ndarray],
) -> Figure:
    """Draw the photo, then one row per stage: some channels of its feature map.

    Args:
      path: where the PNG goes.
      image: (H, W, C) photo.
      maps: (h, w, c) floating for each stage, the first stage first.
      channels: which channels of each stage to draw, at most 16; channel 0 is the first.

    Returns:
      `path`.

    Raises:
      ValueError: if there is no stage, or no channel or more than 16 of one.

    Example:
      >>> maps = {"block_1": np.ones((4, 4, 32)), "block_2": np.ones((2, 2, 64))}
      >>> channels = {"block_1": [0, 5], "block_2": [3]}
      >>> photo = np.zeros((8, 8, 3), np.uint8)
      >>> path = plot_feature_maps("maps.png", photo, maps, channels=channels)
    """
    counts = {len(channels[stage]) for stage in maps}
    if not maps or not counts <= set(range(1, 17)):
        raise ValueError(f"got {len(maps)} stages of {counts} channels; expected 1 to 16 of each.")
    rows = [("the photo", [Tile(image)])]
    for stage, found in maps.items():
        height, width, depth = found.shape
        heading = f"{drawable(stage)}: {counted(depth, 'channel')} of {height} x {width} px"
        rows.append((heading, [_numbered(_stretched(found[..., i]), i) for i in channels[stage]]))
    title = f"What the photo becomes in {counted(len(maps), 'stage')}"
    note = (
        "Of each stage the channels that vary most over the photo, by number; black is a channel's "
        "lowest output, white its highest"
    )
    return photo_rows(rows, title=title, note=note, size=1.35)


def _numbered(image: np.ndarray, channel: int) -> Tile:
    return Tile(image, [CaptionLine(str(channel), color=GREY)])


def _stretched(channel: np.ndarray) -> np.ndarray:
    """Stretch a channel to [0, 1]; one that says the same everywhere is grey."""
    low, high = float(channel.min()), float(channel.max())
    if high == low:
        return np.full(channel.shape, 0.5, np.float32)
    return ((channel - low) / (high - low)).astype(np.float32)


@writes_png
def plot_filters(kernel: np.ndarray) -> Figure:
    """Draw the filters of a convolution on images as small images.

    Args:
      path: where the PNG goes.
      kernel: (height, width, C, F) floating, C being 1 or 3; the first 64 of F are drawn.

    Returns:
      `path`.

    Raises:
      ValueError: if the kernel is none of grey or RGB images.

    Example:
      >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 8))
      >>> path = plot_filters("filters.png", kernel)
    """
    kernel = np.asarray(kernel, np.float32)
    if kernel.ndim != 4 or kernel.shape[2] not in (1, 3) or 0 in kernel.shape:
        raise ValueError(
            f"kernel has shape {kernel.shape}; expected (height, width, C, F), C 1 or 3."
        )
    height, width, _, count = kernel.shape
    shown = [kernel[..., i] for i in range(min(count, _MAX_FILTERS))]
    tiles = [_numbered(0.5 + 0.5 * x / (np.abs(x).max() or 1), i) for i, x in enumerate(shown)]
    title = f"{counted(count, 'filter')} of {height} x {width} px meet the image first"
    note = (
        "Mid-grey is a weight of 0, brighter is above, darker below; each filter by its own scale"
    )
    if len(shown) < count:
        note += f"; the first {len(shown)} shown"
    return photo_grid(tiles, title=title, note=note)


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

    Example:
      >>> patches = np.zeros((2, 3, 8, 8, 3), np.uint8)  # three for each of two channels
      >>> path = plot_excitations("channels.png", "block_1", [4, 7], patches, num_photos=100)
    """
    check_lengths(_MAX_ROWS, channels=channels, patches=patches)
    for row in patches:
        check_lengths(_MAX_COLUMNS, patches=row)
    rows = [
        (f"channel {channel}", [Tile(image) for image in images])
        for channel, images in zip(channels, patches, strict=True)
    ]
    title = f"What excites {counted(len(rows), 'channel')} of {drawable(stage)}"
    note = (
        f"The strongest responses among {counted(num_photos, 'photo')}, the strongest at left; of "
        "each photo the part that it responds to"
    )
    return photo_rows(rows, title=title, note=note, size=1.35)
