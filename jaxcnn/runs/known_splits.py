"""Which photo was in which split in an earlier run: kept in its folder, and taken over from there.

A run that is tested again, resumed, or the start of another one keeps the split of each of its
photos, however many were added since.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from jaxcnn.data.datasets import DRAWN_PETS, load_splits
from jaxcnn.data.image_size import sides
from jaxcnn.data.source import SPLIT_NAMES, Splits
from jaxcnn.data.splits.splitting import at_most
from jaxcnn.host.files import read_json, write_json
from jaxcnn.host.text import counted
from jaxcnn.runs.config.train_config import SPLIT_SETTINGS, TrainConfig, load_config
from jaxcnn.runs.folder import Workdir

logger = logging.getLogger(__name__)


def write_split_names(path: Path, split_names: Mapping[str, str]) -> None:
    """Write the names of each split as JSON.

    Args:
      path: the file, replaced if there.
      split_names: {name of a photo: its split}.
    """
    found: dict[str, list[str]] = {split: [] for split in SPLIT_NAMES}
    for name, split in split_names.items():
        found[split].append(name)
    write_json(path, found)


def read_split_names(path: Path) -> dict[str, str]:
    """Read what `write_split_names` wrote; {} where there is no file.

    Raises:
      ValueError: if the file is damaged.
    """
    if not path.is_file():
        return {}
    found = read_json(path, *SPLIT_NAMES)
    return {str(name): split for split in SPLIT_NAMES for name in found[split]}


def splits_before(config: TrainConfig, folder: Workdir) -> tuple[dict[str, str], Path]:
    """Read the splits of the run that is in a folder, or else of the one that it starts from.

    Args:
      config: complete settings.
      folder: of the run.

    Returns:
      {name: split}, and the folder of the run that they are of; {} where there is none.
    """
    start = config.network.init_from
    places = [folder, *([Workdir(Path(start))] if start else [])]
    for place in places:
        if found := read_split_names(place.splits):
            return found, place.path
    return {}, folder.path


def known_splits(config: TrainConfig, folder: Workdir | None) -> dict[str, str]:
    """Find the split that photos had before: in this run, or in the one that it starts from.

    Args:
      config: complete settings.
      folder: of a run that is resumed or tested again; None for one that begins.

    Returns:
      {name: split}; {} where nothing is known, or the other run split its photos by other settings.
    """
    start = config.network.init_from
    for place in filter(None, [folder, Workdir(Path(start)) if start else None]):
        there = load_config(place.config).flat() if place.is_ours else {}
        if there and all(there[name] == config.flat()[name] for name in SPLIT_SETTINGS):
            return read_split_names(place.splits)
    return {}


def find_splits(
    config: TrainConfig,
    known: Mapping[str, str],
    groups: Mapping[str, str] | None = None,
) -> tuple[Splits, Splits]:
    """Split the photos that the settings name; none is decoded yet.

    Args:
      config: complete settings.
      known: {name: split} of photos that keep their split.
      groups: {name: group} in place of those that the settings name.

    Returns:
      The splits; and those that train at most `max_train_examples`.
    """
    data, is_drawn = config.data, config.data.dataset == DRAWN_PETS
    whole = load_splits(
        data.dataset,
        data_dir=data.data_dir,
        size_px=max(sides(data.stored_size_px)),
        max_train_examples=data.max_train_examples if is_drawn else 0,
        validation_fraction=data.validation_fraction,
        test_fraction=data.test_fraction,
        seed=data.split_seed,
        method=data.split_method,
        group_by=data.group_by,
        groups=groups,
        known=known,
        labels=data.labels,
        columns=data.columns,
    )
    limit = 0 if is_drawn else data.max_train_examples
    return whole, whole._replace(train=at_most(whole.train, limit, seed=data.split_seed))


def tell_of_moved(before: Mapping[str, str], now: Mapping[str, str], where: Path) -> None:
    """Log how many photos are in another split than in an earlier run."""
    common = before.keys() & now.keys()
    moved = sum(before[name] != now[name] for name in common)
    if moved:
        logger.info(
            f"{moved:,} of {counted(len(common), 'photo')} changed their split since the run in "
            f"{where}"
        )
