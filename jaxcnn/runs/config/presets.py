"""What suits a data set, a network and a kind of training, where nothing is said."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxcnn import optim
from jaxcnn.augment.policy import parse_policy
from jaxcnn.data.image_size import ImageSize, as_size, largest, scaled, sides, smallest
from jaxcnn.data.preprocessing import Preprocessing, parse_views
from jaxcnn.runs.config.checks import check_values
from jaxcnn.runs.config.settings import MODEL_OPTIONS
from jaxcnn.runs.config.train_config import TrainConfig, make_config, starts_from_weights

if TYPE_CHECKING:
    from jaxcnn.pretrained import Pretrained

PHOTO_CHANNELS = (1, 3)  # grey, or red, green and blue
_IMAGES: Mapping[str, Any] = {
    "image_size_px": 96,
    "num_channels": 3,
    "num_epochs": 46,
    "augment": "standard",
    "crop_from": "square",
    "progressive_resizing": "",
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
    "resize_mode": "crop",
    "pixel_mean": (0.5,),
    "pixel_std": (0.25,),
    "cache_features": False,
    "head_epochs": 0,
    "head_learning_rate": 1e-3,
    "layer_decay": 1.0,
}
# Some thousand photos, from scratch: many different views, an average of the parameters, and an
# evaluation that sees the whole square, in which things look as large as in the crops of training.
_PHOTOS: Mapping[str, Any] = {
    **_IMAGES,
    "num_epochs": 128,
    "pool_padding": "same",  # at 96 px the last pooling would drop a third of its map
    "augment": "strong,zoom=0.35,aspect=1.3333",
    "crop_from": "photo",
    "ema_decay": 0.998,
}
_ROOM = 7 / 6  # side of the stored square over that of the crops of training
_PROGRESSIVE = "64:0.3,80:0.3"
_SMALL: Mapping[str, Any] = {**_IMAGES, "image_size_px": 32, "num_epochs": 20, "depth": 5}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "folder": _PHOTOS,
    "drawn_pets": {
        **_IMAGES,
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
_MODEL_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lenet5": {"image_size_px": 32, "num_channels": 1},
}
# Networks that never have BatchNorm, but for lenet5, which learns alike at both rates. On 2,991
# photos of cats and dogs at 64 px, six epochs of AdamW at 3e-3 and at 3e-4 have, in test: VGG11 50
# and 64 %, AlexNet 57 and 62 %, SqueezeNet 53 and 60 %, ConvNeXt V2 (atto) 52 and 60 %. six_conv
# without BatchNorm wants the usual rate: 89 and 70 % after three epochs of 2,000 drawn pets.
_WANT_A_TENTH = re.compile(r"alexnet|squeezenet.*|vgg\d+|convnext.*")
# Where a network starts from weights that know photos already, little is left to learn: rates are
# small, and few passes enough.
_TRANSFER = {"eval_batch_size": 32, "cache_features": True, "freeze_batch_norm": True}
_FROZEN: Mapping[str, Any] = {
    **_TRANSFER,
    "num_epochs": 30,
    "warmup_epochs": 1.0,
    "label_smoothing": 0.0,
    "freeze": "backbone",
    "learning_rate": 1e-3,
    "augment": "flip",
}
_FINE_TUNE: Mapping[str, Any] = {
    **_TRANSFER,
    "num_epochs": 2,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.1,
    "freeze": "none",
    "head_epochs": 20,
    "layer_decay": 0.75,
    "learning_rate": 2e-4,
    "augment": "flip,zoom=0.7,rotation=0.1,brightness=0.1,contrast=0.1",
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
      >>> from jaxcnn.runs.config import make_config
      >>> resolve(make_config(dataset="mnist")).data.num_channels
      1
    """
    training = config.training
    preset = _preset_of(config) | dict(weights_preset or {})
    filled: dict[str, Any] = {
        k: preset.get(k) if v is None else v for k, v in config.flat().items()
    }
    if "model_options" in preset:  # with what was given among them
        filled["model_options"] = preset["model_options"]
    policy = parse_policy(filled["augment"])
    changes = set(policy) - {"flip"} and training.augment is not None and not training.fine_tune
    is_averaging = optim.is_schedule_free(training.optimizer)
    given = config.flat()
    if given["crop_from"] is None and ("zoom" not in policy or config.run.epoch_scan == "on"):
        filled["crop_from"] = "square"
    if "zoom" not in policy:  # training sees things as large as evaluation does
        filled["eval_size_px"] = given["eval_size_px"]
    if is_averaging and given["ema_decay"] is None:  # one average is enough
        filled["ema_decay"] = 0.0
    if given["warmup_epochs"] is None and filled["warmup_epochs"] is not None:
        # In a short run too the rate reaches its peak and falls again.
        filled["warmup_epochs"] = min(filled["warmup_epochs"], filled["num_epochs"] / 3)
    if training.lr_multipliers and given["layer_decay"] is None:
        filled["layer_decay"] = 1.0
    # Room for the crops of augmentation; without any, what is stored is what is seen.
    room = 1 if filled["augment"] == "none" else _ROOM
    defaults = {
        "learning_rate": _learning_rate(filled["model"], training.optimizer),
        "momentum": optim.default_momentum(training.optimizer),
        "schedule": "constant" if is_averaging or training.optimizer == "lbfgs" else "cosine",
        "weight_decay": _weight_decay(training.optimizer),
        "sweep_epochs": max(1, filled["num_epochs"] // 3) if config.run.sweep else None,
        "flip_average": _flips(config, policy.get("flip", 0) > 0),
        "feature_views": 4 if changes else 0,
        "freeze": "none",
        "split_method": "stratified",
        "near_duplicates": "report" if config.data.dataset == "folder" else "none",
        "stored_size_px": largest(
            scaled(filled["image_size_px"], room), filled["eval_size_px"] or 0
        ),
    }
    filled |= {k: v for k, v in defaults.items() if filled[k] is None}
    complete = make_config(**filled)
    check_values(complete)
    return complete


def _learning_rate(model: str, optimizer: str) -> float:
    """Choose a rate to train from scratch with."""
    rate = optim.default_learning_rate(optimizer)
    is_sensitive = _WANT_A_TENTH.fullmatch(model) and not optim.finds_learning_rate(optimizer)
    return rate / 10 if is_sensitive else rate


def _weight_decay(optimizer: str) -> float:
    if optim.goes_by_loss(optimizer):  # which has no such penalty
        return 0.0
    return 0.05 if optim.decays_decoupled(optimizer) else 0.0005


def _flips(config: TrainConfig, otherwise: bool) -> bool:
    views = config.run.eval_views
    return otherwise if views is None else "flip" in parse_views(views)


def num_channels_of(config: TrainConfig, *, weights_channels: int = 3) -> int:
    """Tell how many channels the images of a run have.

    Args:
      config: settings, some of them None.
      weights_channels: of the images that the weights to start from were trained on.

    Returns:
      What is said; else 1 where the data set or the weights are of grey images, 3 where not.
    """
    preset = PRESETS.get(_data_set(config), _IMAGES)
    return config.data.num_channels or min(preset["num_channels"], weights_channels)


def _data_set(config: TrainConfig) -> str:
    return config.data.dataset.split(":")[0]


def _preset_of(config: TrainConfig) -> dict[str, Any]:
    """Put together the values that suit the data set, the network and the kind of training."""
    data = PRESETS.get(_data_set(config), _IMAGES)
    transfers = starts_from_weights(config)
    if data is _PHOTOS and transfers:
        data = _IMAGES
    preset = dict(data)
    preset["model"] = "efficientnet_lite0" if transfers else "six_conv"
    model = config.network.model or preset["model"]
    if model != "six_conv":  # the presets' options are that network's
        preset = {k: v for k, v in preset.items() if k not in MODEL_OPTIONS}
    elif data is _PHOTOS and config.network.global_pooling != "none":
        preset |= _sizes_of_photos(config)
    preset |= _MODEL_PRESETS.get(model, {})
    if transfers:
        preset |= _transfer_preset(config)
        if data is not _IMAGES:  # a set of its own knows whether a mirror image means the same
            preset["augment"] = data["augment"]
    if config.training.schedule == "one_cycle":  # its own rise is its warm-up
        preset.pop("warmup_epochs", None)
    return preset


def _sizes_of_photos(config: TrainConfig) -> dict[str, Any]:
    """Choose the sizes beside `image_size_px`, for a network that takes any size."""
    size_px = config.data.image_size_px or _PHOTOS["image_size_px"]
    seen_px = scaled(size_px, _ROOM)
    if config.data.stored_size_px:
        seen_px = smallest(seen_px, config.data.stored_size_px)
    is_own = size_px == _PHOTOS["image_size_px"]
    return {"eval_size_px": seen_px, "progressive_resizing": _PROGRESSIVE if is_own else ""}


def _transfer_preset(config: TrainConfig) -> dict[str, Any]:
    trains_more = config.training.fine_tune or config.network.freeze not in (None, "backbone")
    preset = dict(_FINE_TUNE if trains_more else _FROZEN)
    if not config.training.fine_tune:
        preset["head_epochs"] = 0
    rate = optim.default_learning_rate(config.training.optimizer)
    if optim.finds_learning_rate(config.training.optimizer):
        return preset | {"learning_rate": rate, "head_learning_rate": rate}
    # The rates are AdamW's; other optimizers take the same part of their own.
    share = rate / optim.default_learning_rate("adamw")
    preset["learning_rate"] *= share
    preset["head_learning_rate"] = 1e-3 * share
    return preset


def preset_of_weights(
    found: "Pretrained",
    *,
    image_size_px: ImageSize | None = None,
    num_channels: int = 3,
    model_options: str = "",
) -> dict[str, Any]:
    """Choose the settings of a run that suit weights.

    Args:
      found: the weights.
      image_size_px: size of the images, where it is not the weights' own.
      num_channels: 3 for colour, 1 for grey.
      model_options: further options of the network, which win over the weights' own.

    Returns:
      {field of TrainConfig: value}.
    """
    own = {name: value for name, value in found.options.items() if name in MODEL_OPTIONS}
    # A run that is resumed gives what it took from the weights as its own.
    given = {option.partition("=")[0].strip() for option in model_options.split(",")}
    others = [
        f"{name}={v}"
        for name, v in found.options.items()
        if name not in MODEL_OPTIONS and name not in given
    ]
    return {
        "model": found.model,
        **preset_of_preprocessing(found.preprocessing, image_size_px, num_channels),
        **own,
        "model_options": ",".join([*others, model_options]).strip(","),
    }


def preset_of_preprocessing(
    wanted: Preprocessing, image_size_px: ImageSize | None, num_channels: int | None
) -> dict[str, Any]:
    """Choose the settings of photos that suit a network, for another size or colour where given.

    Args:
      wanted: how the network's photos become its input.
      image_size_px: size of the images; None for the network's own.
      num_channels: 3 for colour, 1 for grey, which takes the mean of the three; None for its own.

    Returns:
      {field of DataSettings: value}.
    """
    decoding, own_sides = wanted.decoding, wanted.image_shape[:2]
    size_px = image_size_px or as_size(own_sides)
    num_channels = num_channels or decoding.num_channels
    stored = zip(sides(size_px), sides(decoding.size_px), own_sides, strict=True)
    mean, std = (
        values if len(values) in (1, num_channels) else (sum(values) / len(values),)
        for values in (wanted.mean, wanted.std)
    )
    return {
        "image_size_px": size_px,
        "stored_size_px": as_size([round(side * whole / own) for side, whole, own in stored]),
        "resize_mode": decoding.mode,
        "interpolation": decoding.interpolation,
        "num_channels": num_channels,
        "pixel_mean": mean,
        "pixel_std": std,
    }
