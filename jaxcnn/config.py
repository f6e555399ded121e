"""The settings of a run: one frozen value, each field with its meaning and unit."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn import optim
from jaxcnn.augment.policy import parse_policy
from jaxcnn.data.decode import INTERPOLATIONS
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
    interpolation: str = _preset("how photos are resized: bilinear, bicubic or lanczos.")
    num_channels: int = _preset("3 for colour, 1 for grey.")
    pixel_mean: tuple[float, ...] = _preset(
        "value in [0, 1] of a pixel that the network sees as 0: one for all channels, or one each."
    )
    pixel_std: tuple[float, ...] = _preset("spread of pixels that the network sees as 1, likewise.")
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
    model: str = _setting(
        None, "name of the network; default six_conv, with --pretrained efficientnet_lite0."
    )
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
    padding: str | None = _setting(
        None, "padding of the convolutions: same or valid; for some networks same or symmetric."
    )
    drop_path_rate: float | None = _setting(
        None, "share of residual branches dropped in training (stochastic depth), in [0, 1)."
    )
    model_options: str | None = _setting(
        None, "further options of the network: name=value, comma-separated; README lists them."
    )
    pooling: str | None = _setting(None, "kind of pooling: max or avg.")
    activation: str | None = _setting(None, "activation function, e.g. relu, sigmoid, tanh, gelu.")
    compute_dtype: str = _setting(
        "float32", "arithmetic of the layers: float32 or bfloat16 (parameters stay float32)."
    )
    # What to start from
    pretrained: bool = _setting(
        False, "start from the network's published weights; see --weights for others."
    )
    weights: str | None = _setting(
        None,
        "published weights to start from: a name that `python -m experiments.predict "
        "--list_weights` lists, or the path of a file; default the network's own.",
    )
    init_from: str | None = _setting(
        None, "start from the best checkpoint of another run: its folder, for the same --model."
    )
    freeze: str | None = _setting(
        None,
        "layers that keep the weights they start from: backbone (all but the last), a number of "
        "stages, or none; default backbone with --pretrained, none with --fine_tune.",
    )
    fine_tune: bool = _setting(
        False, "train the last layer first, then the layers that --freeze leaves free too."
    )
    head_init: str = _setting(
        "zero", "how a new last layer starts: zero, or scaled (random, variance 1 / inputs)."
    )
    head_epochs: int = _preset("with --fine_tune, epochs in which the last layer is trained alone.")
    head_learning_rate: float = _preset("peak learning rate while the last layer is trained alone.")
    layer_decay: float = _preset(
        "with --fine_tune, the learning rate of a stage over that of the next, in (0, 1]."
    )
    cache_features: bool = _preset(
        "run a frozen backbone once over the data, and train the last layer on what it gave."
    )
    feature_views: int = _setting(
        0, "augmented views of each training photo in that cache, beside the photo as it is."
    )
    freeze_batch_norm: bool | None = _preset(
        "BatchNorm keeps the averages that it starts from, in training too."
    )
    # How to learn
    num_epochs: int = _preset("passes over the training split.")
    batch_size: int = _setting(32, "examples a training step.")
    eval_batch_size: int = _preset("examples an evaluation step; no effect on results.")
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
    "eval_batch_size": 100,
    "interpolation": "bilinear",
    "pixel_mean": (0.5,),
    "pixel_std": (0.25,),
    "cache_features": False,
    "head_epochs": 0,
    "head_learning_rate": 1e-3,
    "layer_decay": 1.0,
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
    "drop_path_rate",
    "freeze_batch_norm",
)
_MODEL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lenet5": {"image_size_px": 32, "num_channels": 1},
}
# Where a network starts from weights that know photos already, little is left to learn: rates are
# small, and few passes enough.
_FROZEN: Mapping[str, Any] = {
    "eval_batch_size": 32,
    "num_epochs": 30,
    "warmup_epochs": 1.0,
    "label_smoothing": 0.0,
    "freeze": "backbone",
    "cache_features": True,
    "freeze_batch_norm": True,
    "learning_rate": 1e-3,
    "augment": "flip",
}
_FINE_TUNE: Mapping[str, Any] = {
    "eval_batch_size": 32,
    "num_epochs": 3,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.1,
    "freeze": "none",
    "cache_features": True,
    "freeze_batch_norm": True,
    "head_epochs": 20,
    "layer_decay": 0.75,
    "learning_rate": 2e-4,
    "augment": "flip,zoom=0.7,rotation=0.1,brightness=0.1,contrast=0.1",
}
_HEADS = ("softmax", "sigmoid")
_RESIZE_MODES = ("crop", "squash", "pad")
_COMPUTE_DTYPES = ("float32", "bfloat16")

_SHARE = "a share in [0, 1)"
_POSITIVE = "a number above 0"
_AT_LEAST_0 = "a number of at least 0"
_RANGES: Mapping[str, tuple[str, ...]] = {
    _SHARE: (
        "dropout_rate",
        "drop_path_rate",
        "label_smoothing",
        "ema_decay",
        "momentum",
        "max_bad_share",
    ),
    _POSITIVE: (
        *("image_size_px", "stored_size_px", "num_epochs", "batch_size", "eval_batch_size"),
        *("learning_rate", "width_multiplier", "depth", "gradient_clip_norm", "memory_limit_gib"),
        *("early_stopping_epochs", "checkpoint_every_steps", "num_workers"),
        *("head_learning_rate", "layer_decay"),
        *("validation_fraction", "test_fraction"),
    ),
    _AT_LEAST_0: (
        *("warmup_epochs", "weight_decay", "max_train_examples", "seed"),
        *("head_epochs", "feature_views"),
    ),
}
_IN_RANGE = {
    _SHARE: lambda value: 0 <= value < 1,
    _POSITIVE: lambda value: value > 0,
    _AT_LEAST_0: lambda value: value >= 0,
}


def resolve(config: TrainConfig, weights_preset: Mapping[str, Any] | None = None) -> TrainConfig:
    """Fill in what was left open, from the presets of the data set, the network and the weights.

    Args:
      config: settings, some of them None.
      weights_preset: values that suit the weights to start from, e.g. their image size.

    Returns:
      Settings complete enough to repeat the run; those that stay None mean "the library's default".

    Raises:
      ValueError: if a value is out of range or a name unknown; the message names the setting.

    Example:
      >>> resolve(TrainConfig(dataset="mnist")).num_channels
      1
    """
    preset = _preset_of(config) | dict(weights_preset or {})
    given = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    filled: dict[str, Any] = {k: preset.get(k) if v is None else v for k, v in given.items()}
    if filled["learning_rate"] is None:
        filled["learning_rate"] = optim.default_learning_rate(config.optimizer)
    if filled["weight_decay"] is None:
        is_decoupled = config.optimizer in ("adamw", "lion", "lamb")
        filled["weight_decay"] = 0.05 if is_decoupled else 0.0005
    if filled["flip_average"] is None:
        filled["flip_average"] = parse_policy(filled["augment"]).get("flip", 0) > 0
    if weights_preset and "model_options" in weights_preset:  # with what was given among them
        filled["model_options"] = weights_preset["model_options"]
    if filled["freeze"] is None:
        filled["freeze"] = "none"
    if filled["stored_size_px"] is None:
        # Room for the crops of augmentation; without any, what is stored is what is seen.
        room = 1 if filled["augment"] == "none" else 7 / 6
        filled["stored_size_px"] = round(filled["image_size_px"] * room)
    complete = TrainConfig(**filled)
    check_values(complete)
    return complete


def starts_from_weights(config: TrainConfig) -> bool:
    """Tell whether a run starts from weights that were trained before."""
    return config.pretrained or config.weights is not None or config.init_from is not None


def _preset_of(config: TrainConfig) -> dict[str, Any]:
    """Put together the values that suit the data set, the network and the kind of training."""
    preset = dict(PRESETS.get(config.dataset.split(":")[0], _PHOTOS))
    transfers = starts_from_weights(config)
    preset["model"] = "efficientnet_lite0" if transfers else "six_conv"
    model = config.model or preset["model"]
    if model != "six_conv":  # the presets' options are that network's
        preset = {k: v for k, v in preset.items() if k not in MODEL_OPTIONS}
    if config.schedule == "one_cycle":  # its own rise is its warm-up
        preset.pop("warmup_epochs", None)
    preset |= _MODEL_PRESETS.get(model, {})
    if transfers:
        preset |= _FINE_TUNE if config.fine_tune else _FROZEN
        if config.freeze not in (None, "backbone") and not config.fine_tune:
            preset |= {**_FINE_TUNE, "head_epochs": 0}
    return preset


def count_frozen(freeze: str, num_stages: int) -> int:
    """Turn the setting `freeze` into a number of stages.

    Args:
      freeze: "backbone", "none", or a number, with or without the word stages.
      num_stages: stages of the network.

    Returns:
      How many of the first stages are frozen.

    Raises:
      ValueError: if the text is none of these, or the number is too large.

    Example:
      >>> count_frozen("backbone", 7), count_frozen("3 stages", 7), count_frozen("none", 7)
      (7, 3, 0)
    """
    if freeze in ("backbone", "none"):
        return num_stages if freeze == "backbone" else 0
    number = freeze.removesuffix("stages").removesuffix("stage").strip()
    if not number.isdecimal() or int(number) > num_stages:
        raise ValueError(
            f"freeze must be backbone, none, or a number of stages up to {num_stages}, "
            f"got {freeze!r}."
        )
    return int(number)


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
        ("interpolation", tuple(INTERPOLATIONS)),
        ("head_init", ("zero", "scaled")),
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
    _check_pixels(config)
    _check_start(config)
    if config.validation_fraction + config.test_fraction >= 1:
        raise ValueError(
            f"validation_fraction (={config.validation_fraction}) and test_fraction "
            f"(={config.test_fraction}) leave nothing to train on; their sum must be below 1."
        )


def _check_pixels(config: TrainConfig) -> None:
    for name, expected in (("pixel_mean", _AT_LEAST_0), ("pixel_std", _POSITIVE)):
        values = getattr(config, name)
        if values is None:
            continue
        if len(values) not in (1, config.num_channels or len(values)):
            raise ValueError(
                f"{name} must be one number, or one for each of the {config.num_channels} channels,"
                f" got {len(values)}."
            )
        if not all(_IN_RANGE[expected](value) for value in values):
            raise ValueError(f"{name} must be {expected} for every channel, got {values}.")


def _check_start(config: TrainConfig) -> None:
    if config.init_from and (config.pretrained or config.weights):
        raise ValueError("init_from and published weights exclude each other; give one.")
    if config.fine_tune and config.freeze == "backbone":
        raise ValueError("freeze=backbone leaves nothing to fine-tune; give fewer stages, or none.")
    if config.layer_decay is not None and config.layer_decay > 1:
        raise ValueError(f"layer_decay must be in (0, 1], got {config.layer_decay}.")
    if starts_from_weights(config):
        return
    if config.fine_tune or config.freeze not in (None, "none"):
        raise ValueError(
            "fine_tune and freeze need weights to start from: give --pretrained, --weights or "
            "--init_from."
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
