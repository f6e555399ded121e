"""All settings of a run as one value, made by name, written to a file and read from it."""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.preprocessing import Decoding, Preprocessing, parse_views
from jaxcnn.host.files import read_json
from jaxcnn.host.names import unknown_name
from jaxcnn.metrics.registry import DEFAULT_BEST
from jaxcnn.runs.config.settings import (
    DataSettings,
    NetworkSettings,
    RunSettings,
    TrainingSettings,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that decides how a run goes, in four groups.

    A setting that is None takes the data set's preset, which `jaxcnn.runs.config.resolve` fills in:
    from then on it has the type that is written here. The text beside each setting is the help of
    the command-line flag of the same name. No name stands in two groups, so
    `jaxcnn.runs.config.make_config` and `replace` take settings without their group.

    Example:
      >>> config = make_config(dataset="mnist", num_epochs=3)
      >>> config.training.num_epochs, config.replace(num_epochs=5).training.num_epochs
      (3, 5)
    """

    data: DataSettings = dataclasses.field(default_factory=DataSettings)
    network: NetworkSettings = dataclasses.field(default_factory=NetworkSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    run: RunSettings = dataclasses.field(default_factory=RunSettings)

    def flat(self) -> dict[str, Any]:
        """Give all settings by name, without their groups."""
        return {
            name: value
            for group in dataclasses.fields(self)
            for name, value in vars(getattr(self, group.name)).items()
        }

    def replace(self, **settings: Any) -> "TrainConfig":
        """Change settings by name.

        Raises:
          TypeError: if there is no setting of a name.
        """
        return make_config(**{**self.flat(), **settings})

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """How photos become what the network takes in evaluation, by settings that are complete."""
        data = self.data
        return Preprocessing(
            decoding=Decoding(
                size_px=data.stored_size_px,
                mode=data.resize_mode,
                num_channels=data.num_channels,
                interpolation=data.interpolation,
                decoder=data.decoder,
                max_pixels=data.max_pixels,
            ),
            image_size_px=data.seen_size_px,
            mean=data.pixel_mean,
            std=data.pixel_std,
            flip_average=self.run.flip_average,
            views=tuple(v for v in parse_views(self.run.eval_views or "none") if v != "flip"),
        )

    @property
    def training_preprocessing(self) -> Preprocessing:
        """The same in training, whose images may have another size, and come as crops."""
        size_px, decoding = self.data.image_size_px, self.preprocessing.decoding
        if self.crops_photos:
            decoding = decoding._replace(size_px=size_px)
        return dataclasses.replace(self.preprocessing, decoding=decoding, image_size_px=size_px)

    @property
    def head(self) -> str:
        """The network's head; until the labels have settled it, softmax."""
        return self.network.head or "softmax"

    @property
    def has_several_labels(self) -> bool:
        """Whether photos have several labels each."""
        return self.network.head == "multi_label"

    @property
    def crops_photos(self) -> bool:
        """Whether random crops are cut from whole photos; drawings are square anyway."""
        return self.training.crop_from == "photo" and self.data.dataset != "drawn_pets"


GROUPS: Mapping[str, type] = typing.get_type_hints(TrainConfig)
"""The groups of settings, by the name of each in `TrainConfig`."""


def setting_fields() -> dict[str, dataclasses.Field[Any]]:
    """Give the dataclass field of each setting, by name; its metadata has the "help".

    Example:
      >>> setting_fields()["num_epochs"].metadata["help"]
      'passes over the training split.'
    """
    return {f.name: f for group in GROUPS.values() for f in dataclasses.fields(group)}


def make_config(**settings: Any) -> TrainConfig:
    """Make the settings of a run from settings by name, without their groups.

    Args:
      **settings: any of those of `DataSettings`, `NetworkSettings`, `TrainingSettings` and
        `RunSettings`.

    Returns:
      The settings; what is not given has its default.

    Raises:
      TypeError: if there is no setting of a name; the message lists those that are like it.

    Example:
      >>> make_config(dataset="cifar10", model="resnet20").network.model
      'resnet20'
    """
    left = dict(settings)
    groups = {
        name: group(
            **{f.name: left.pop(f.name) for f in dataclasses.fields(group) if f.name in left}
        )
        for name, group in GROUPS.items()
    }
    if left:
        raise TypeError(str(unknown_name("setting", next(iter(left)), setting_fields())))
    return TrainConfig(**groups)


# Settings that decide which photo is in which split.
SPLIT_SETTINGS = (
    *("split_seed", "validation_fraction", "test_fraction"),
    *("split_method", "group_by"),
)

# Settings that say what a machine does, not what a run is: a resumed run may change them.
MACHINE_SETTINGS = (
    "mesh",
    "num_workers",
    "memory_limit_gib",
    "image_cache_gib",
    "epoch_scan",
    "eval_batch_size",
)


def starts_from_weights(config: TrainConfig) -> bool:
    """Tell whether a run starts from weights that were trained before."""
    network = config.network
    for name in ("weights", "init_from"):
        if getattr(network, name) == "":
            raise ValueError(f"{name} is empty; leave it out, or say which.")
    return network.pretrained or network.weights is not None or network.init_from is not None


def to_json(config: TrainConfig) -> dict[str, Any]:
    """Write settings as JSON values, without their groups.

    Example:
      >>> to_json(make_config(dataset="mnist", dense_widths=(64, 32)))["dense_widths"]
      [64, 32]
    """
    return {k: list(v) if isinstance(v, tuple) else v for k, v in config.flat().items()}


def from_json(value: Mapping[str, Any]) -> TrainConfig:
    """Read what `to_json` wrote.

    Example:
      >>> config = make_config(dataset="mnist", num_epochs=3)
      >>> from_json(to_json(config)) == config
      True
    """
    value = completed(value)
    return make_config(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})


def completed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Add settings that older versions did not write: their `seed` split the data, by hash."""
    if "seed" not in value:
        return dict(value)
    older = {"split_seed": value["seed"], "split_method": "hash", "compute_dtype": "float32"}
    return {**older, **value}


def load_config(path: Path) -> TrainConfig:
    """Read the settings of a run from its `config.json`.

    Raises:
      ValueError: if the file does not hold settings of this version.

    Example:
      >>> import json
      >>> config = make_config(dataset="mnist", num_epochs=3)
      >>> _ = Path("config.json").write_text(json.dumps(to_json(config)))
      >>> load_config(Path("config.json")) == config
      True
    """
    try:
        return from_json(read_json(path, "num_epochs"))
    except TypeError as error:
        raise ValueError(f"{path} does not hold the settings of a run ({error}).") from error


def settle_head(config: TrainConfig, labels: np.ndarray) -> TrainConfig:
    """Fill in what depends on whether photos have one label each or several.

    Args:
      config: complete settings but for `head` and `best_metric`, which may be None.
      labels: (N,) class indices, or (N, K) of 0 and 1 where photos have several labels.

    Returns:
      Complete settings.

    Raises:
      ValueError: if a setting does not fit such labels; the message names it.

    Example:
      >>> from jaxcnn.runs.config import make_config
      >>> settle_head(make_config(), np.zeros((3, 2), np.uint8)).network.head
      'multi_label'
    """
    several = labels.ndim == 2
    head = config.network.head or ("multi_label" if several else "softmax")
    if several and head != "multi_label":
        raise ValueError(
            f"head={head} is for one label per photo, and these photos have several; leave head "
            "out, or give head=multi_label."
        )
    if head == "multi_label" and not several:
        raise ValueError(
            "head=multi_label is for several labels per photo, and these photos have one each; "
            "leave head out, or give a table with several labels."
        )
    best = config.training.best_metric or DEFAULT_BEST[several]
    config = config.replace(head=head, best_metric=best)
    if several:
        _check_for_several(config)
    return config


def _check_for_several(config: TrainConfig) -> None:
    """Refuse what is for one label per photo alone."""
    if config.training.loss == "binary_cross_entropy":
        raise ValueError(
            "loss=binary_cross_entropy is for one label per photo; with several each class has a "
            "yes-or-no loss already: leave loss out."
        )
    if config.run.baselines:
        raise ValueError(
            "baselines=True classifies photos by one label each, and these have several; leave "
            "baselines out."
        )
    if config.run.folds or config.training.sampler != "none":
        given = f"folds (={config.run.folds})" if config.run.folds else "sampler"
        raise ValueError(
            f"{given} needs one label per photo, and these have several; leave it out."
        )
    if config.run.num_seeds > 1:
        raise ValueError(
            f"num_seeds (={config.run.num_seeds}) averages networks of one label per photo; with "
            "several train one network: leave num_seeds out."
        )
    if config.run.sweep:
        raise ValueError(
            "sweep compares trials by accuracy, which is for one label per photo; with several "
            "leave sweep out. find_learning_rate works."
        )
