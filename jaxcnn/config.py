"""The settings of a run: one frozen value, each field with its meaning and unit."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn import optim
from jaxcnn.augment.policy import parse_policy
from jaxcnn.registry import unknown_name


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


def _preset(text: str) -> Any:
    return _setting(None, f"{text} Default: as suits --dataset.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that decides how a run goes.

    A field that is None takes the data set's preset, which `resolve` fills in: from then on it has
    the type that is written here. The text beside each field is the help of the command-line flag
    of the same name.
    """

    # What to learn from
    dataset: str = _setting(
        "drawn_pets",
        "drawn_pets (drawn by this program), folder (with --data_dir), or the name of a "
        "tensorflow-datasets image classification set, e.g. cats_vs_dogs, cifar10, mnist.",
    )
    data_dir: str | None = _setting(
        None,
        "for --dataset=folder: a folder with one sub-folder a class, or with train/, validation/ "
        "and test/ above them; else where tensorflow-datasets keeps its sets.",
    )
    image_size_px: int = _preset("side of the square that the network sees, pixels.")
    stored_size_px: int = _setting(
        None,
        "side of the square that photos are decoded to, from which augmentation takes its "
        "crops, pixels; default 7/6 of --image_size_px.",
    )
    resize_mode: str = _setting(
        "crop",
        "how a photo becomes square: crop (shorter side to size, centre cut out), squash, or pad.",
    )
    num_channels: int = _preset("3 for colour, 1 for grey.")
    max_train_examples: int = _preset(
        "train on so many examples at the most, chosen by --seed; 0 is all."
    )
    validation_fraction: float = _setting(
        0.15, "share of examples for validation where the data set has no such split, in (0, 1)."
    )
    test_fraction: float = _setting(
        0.15, "share of examples for the test where the data set has no such split, in (0, 1)."
    )
    memory_limit_gib: float = _setting(
        2.0, "decoded images are kept in memory up to this size, GiB; above it they are streamed."
    )
    num_workers: int | None = _setting(
        None, "threads or processes that decode; default one for each core."
    )
    max_bad_share: float = _setting(
        0.05, "stop where more than this share of the files cannot be read, in [0, 1]."
    )
    # The network
    model: str = _setting("six_conv", "name of the network.")
    head: str = _setting("softmax", "softmax, or sigmoid: a single output, for two classes.")
    dropout_rate: float | None = _preset("share of units dropped in training, in [0, 1).")
    width_multiplier: float | None = _preset(
        "factor on the number of channels of each layer; below 1 is a smaller network."
    )
    depth: int | None = _preset("number of convolution blocks; fewer is a smaller network.")
    batch_norm: bool | None = _preset("BatchNorm after each convolution.")
    global_pooling: str | None = _preset(
        "none (flatten) or average, before the fully connected layers."
    )
    dense_widths: tuple[int, ...] | None = _preset(
        "units of the fully connected layers before the last, comma-separated; '' is none."
    )
    padding: str | None = _setting(None, "padding of the convolutions: same or valid.")
    pooling: str | None = _setting(None, "kind of pooling: max or avg.")
    activation: str | None = _setting(None, "activation function, e.g. relu, sigmoid, tanh, gelu.")
    compute_dtype: str = _setting(
        "float32", "arithmetic of the layers: float32 or bfloat16 (parameters stay float32)."
    )
    # How to learn
    num_epochs: int = _preset("passes over the training split.")
    batch_size: int = _setting(32, "examples a training step.")
    eval_batch_size: int = _setting(100, "examples an evaluation step; no effect on results.")
    optimizer: str = _setting("adamw", "name of the optimizer.")
    learning_rate: float = _setting(None, "peak learning rate; default is the optimizer's own.")
    schedule: str = _setting("cosine", "course of the learning rate.")
    warmup_epochs: float | None = _preset("epochs in which the learning rate rises to its peak.")
    weight_decay: float = _setting(
        None,
        "decay of kernels (biases and norms are spared): a factor of the learning rate for adamw, "
        "lion and lamb (default 0.05), an L2 penalty for the others (default 0.0005).",
    )
    momentum: float = _setting(0.9, "momentum of sgd and rmsprop, in [0, 1).")
    gradient_clip_norm: float | None = _setting(
        None, "largest global norm of the gradient; default no clipping."
    )
    label_smoothing: float = _preset("share of each label spread over all classes, in [0, 1).")
    class_weights: str = _setting(
        "none", "none, balanced (rarer classes weigh more), or one number a class, comma-separated."
    )
    ema_decay: float = _preset(
        "decay a step of the moving average of parameters and batch statistics that is "
        "evaluated, in [0, 1); 0 is none.",
    )
    augment: str = _preset(
        "none, flip, standard, strong, or a comma list such as "
        "'flip,zoom=0.55,rotation=0.25,brightness=0.2'.",
    )
    flip_average: bool = _setting(
        None,
        "when evaluating, average the answers for an image and its mirror image; default where "
        "--augment flips.",
    )
    early_stopping_epochs: int | None = _setting(
        None, "stop after so many epochs without a better validation accuracy; default never."
    )
    checkpoint_every_steps: int | None = _setting(
        None, "save so often, beside the end of each epoch; default only there."
    )
    baselines: bool = _preset(
        "also classify by colour histogram and by edge orientations, for comparison."
    )
    seed: int = _setting(0, "whole number that decides every random draw.")


_PHOTOS: Mapping[str, Any] = {
    "image_size_px": 96,
    "num_channels": 3,
    "num_epochs": 46,
    "augment": "standard",
    "batch_norm": True,
    "global_pooling": "average",
    "dense_widths": (),
    "dropout_rate": 0.4,
    "warmup_epochs": 2.0,
    "label_smoothing": 0.1,
    "ema_decay": 0.0,
    "max_train_examples": 0,
    "baselines": False,
}
_SMALL: Mapping[str, Any] = {**_PHOTOS, "image_size_px": 32, "num_epochs": 20, "depth": 5}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "drawn_pets": {
        **_PHOTOS,
        "image_size_px": 64,
        "num_epochs": 6,
        "augment": "flip",
        "dropout_rate": 0.2,
        "warmup_epochs": 1.0,
        "width_multiplier": 0.5,
        "baselines": True,
        "max_train_examples": 4000,
    },
    "mnist": {**_SMALL, "num_channels": 1, "augment": "translation=0.1,rotation=0.15"},
    "fashion_mnist": {**_SMALL, "num_channels": 1, "augment": "flip,translation=0.08"},
    "cifar10": {**_SMALL, "augment": "flip,translation=0.125"},
}
# Settings that only some networks have; they are passed on where given.
MODEL_OPTIONS = (
    "dropout_rate",
    "width_multiplier",
    "depth",
    "batch_norm",
    "global_pooling",
    "dense_widths",
    "padding",
    "pooling",
    "activation",
)
_MODEL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lenet5": {"image_size_px": 32, "num_channels": 1},
}
_HEADS = ("softmax", "sigmoid")
_RESIZE_MODES = ("crop", "squash", "pad")
_COMPUTE_DTYPES = ("float32", "bfloat16")

_SHARE = "a share in [0, 1)"
_POSITIVE = "a number above 0"
_AT_LEAST_0 = "a number of at least 0"
_RANGES: Mapping[str, tuple[str, ...]] = {
    _SHARE: ("dropout_rate", "label_smoothing", "ema_decay", "momentum", "max_bad_share"),
    _POSITIVE: (
        *("image_size_px", "stored_size_px", "num_epochs", "batch_size", "eval_batch_size"),
        *("learning_rate", "width_multiplier", "depth", "gradient_clip_norm", "memory_limit_gib"),
        *("early_stopping_epochs", "checkpoint_every_steps", "num_workers"),
        *("validation_fraction", "test_fraction"),
    ),
    _AT_LEAST_0: ("warmup_epochs", "weight_decay", "max_train_examples", "seed"),
}
_IN_RANGE = {
    _SHARE: lambda value: 0 <= value < 1,
    _POSITIVE: lambda value: value > 0,
    _AT_LEAST_0: lambda value: value >= 0,
}


def resolve(config: TrainConfig) -> TrainConfig:
    """Fill in what was left open, from the presets of the data set and the network.

    Args:
      config: settings, some of them None.

    Returns:
      Settings complete enough to repeat the run; those that stay None mean "the library's default".

    Raises:
      ValueError: if a value is out of range or a name unknown; the message names the setting.

    Example:
      >>> resolve(TrainConfig(dataset="mnist")).num_channels
      1
    """
    name = config.dataset.split(":")[0]
    preset = dict(PRESETS.get(name, _PHOTOS))
    if config.model != "six_conv":  # the presets' options are that network's
        preset = {k: v for k, v in preset.items() if k not in MODEL_OPTIONS}
    if config.schedule == "one_cycle":  # its own rise is its warm-up
        preset.pop("warmup_epochs", None)
    preset |= _MODEL_PRESETS.get(config.model, {})
    given = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    filled: dict[str, Any] = {k: preset.get(k) if v is None else v for k, v in given.items()}
    if filled["learning_rate"] is None:
        filled["learning_rate"] = optim.default_learning_rate(config.optimizer)
    if filled["weight_decay"] is None:
        is_decoupled = config.optimizer in ("adamw", "lion", "lamb")
        filled["weight_decay"] = 0.05 if is_decoupled else 0.0005
    if filled["flip_average"] is None:
        filled["flip_average"] = parse_policy(filled["augment"]).get("flip", 0) > 0
    if filled["stored_size_px"] is None:
        # Room for the crops of augmentation; without any, what is stored is what is seen.
        room = 1 if filled["augment"] == "none" else 7 / 6
        filled["stored_size_px"] = round(filled["image_size_px"] * room)
    complete = TrainConfig(**filled)
    check_values(complete)
    return complete


def check_values(config: TrainConfig) -> None:
    """Check the settings that need no data to be checked.

    Args:
      config: settings; those that are None are passed over.

    Raises:
      ValueError: naming the setting, what came and what was expected.
    """
    for expected, names in _RANGES.items():
        for name in names:
            value = getattr(config, name)
            if value is not None and not _IN_RANGE[expected](value):
                raise ValueError(f"{name} must be {expected}, got {value}.")
    for name, known in (
        ("head", _HEADS),
        ("resize_mode", _RESIZE_MODES),
        ("compute_dtype", _COMPUTE_DTYPES),
    ):
        if getattr(config, name) not in known:
            raise unknown_name(name, getattr(config, name), known)
    if config.num_channels not in (None, 1, 3):
        raise ValueError(f"num_channels must be 1 or 3, got {config.num_channels}.")
    if None not in (config.stored_size_px, config.image_size_px) and (
        config.stored_size_px < config.image_size_px
    ):
        raise ValueError(
            f"stored_size_px (={config.stored_size_px}) is smaller than image_size_px "
            f"(={config.image_size_px}); raise the first or lower the second."
        )
    if config.validation_fraction + config.test_fraction >= 1:
        raise ValueError(
            f"validation_fraction (={config.validation_fraction}) and test_fraction "
            f"(={config.test_fraction}) leave nothing to train on; their sum must be below 1."
        )


def to_json(config: TrainConfig) -> dict[str, Any]:
    """Write settings as JSON values."""
    return {
        k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()
    }


def from_json(value: Mapping[str, Any]) -> TrainConfig:
    """Read what `to_json` wrote."""
    settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    return TrainConfig(**settings)


def load_config(path: Path) -> TrainConfig:
    """Read the settings of a run from its `config.json`.

    Raises:
      ValueError: if the file does not hold settings of this version.
    """
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} does not hold the settings of a run ({error}).") from error
