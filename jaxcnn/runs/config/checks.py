"""Checks of settings that need no data."""

import math
from collections.abc import Mapping

from jaxcnn.augment.policy import parse_policy
from jaxcnn.data.fast_jpeg import choose_decoder
from jaxcnn.data.image_size import covers, sides, size_text
from jaxcnn.data.preprocessing import parse_views
from jaxcnn.data.resize import INTERPOLATIONS, RESIZE_MODES
from jaxcnn.data.sampling import SAMPLERS
from jaxcnn.data.splits.groups import compile_pattern
from jaxcnn.data.splits.splitting import SPLIT_METHODS
from jaxcnn.host.names import unknown_name
from jaxcnn.losses import HEADS, LOSSES
from jaxcnn.runs.config.checks_of_optimizer import check_optimizer, check_privacy
from jaxcnn.runs.config.settings import (
    SIZE_SETTINGS,
    TABLE_SETTINGS,
    DataSettings,
)
from jaxcnn.runs.config.train_config import TrainConfig, starts_from_weights
from jaxcnn.training.distillation import KINDS as DISTILLATIONS
from jaxcnn.training.progressive_resizing import check_sizes, parse_shares
from jaxcnn.training.sharding import mesh_sizes

_SHARE = "a share in [0, 1)"
_POSITIVE = "a number above 0"
_AT_LEAST_0 = "a number of at least 0"
_MOST, _MOST_SEED = 2**31 - 1, 2**63 - 1  # of whole numbers, as JAX and NumPy take them
_ABOVE_0 = "a share above 0, at most 1"
_BETWEEN = "a share between 0 and 1"
_RANGES: Mapping[str, tuple[str, ...]] = {
    _SHARE: (
        "dropout_rate",
        "drop_path_rate",
        "label_smoothing",
        "target_threshold",
        "ema_decay",
        "momentum",
        "max_bad_share",
        "distillation_label_share",
    ),
    _POSITIVE: (
        *("num_epochs", "batch_size", "eval_batch_size"),
        *("learning_rate", "width_multiplier", "depth", "gradient_clip_norm", "memory_limit_gib"),
        *("early_stopping_epochs", "checkpoint_every_steps", "num_workers"),
        "max_pixels",
        *("head_learning_rate", "layer_decay", "accumulate_steps", "repeated_augmentation"),
        *("validation_fraction", "test_fraction", "num_seeds", "sweep_epochs"),
        "distillation_temperature",
    ),
    _AT_LEAST_0: (
        *(
            "warmup_epochs",
            "unfreeze_epochs",
            "weight_decay",
            "max_train_examples",
            "seed",
            "split_seed",
        ),
        *("head_epochs", "feature_views", "teacher_views", "image_cache_gib", "mixup", "cutmix"),
        *("dp_clip_norm", "dp_noise_multiplier", "folds"),
    ),
    _ABOVE_0: ("coverage",),
    _BETWEEN: ("conformal",),
}
COMPUTE_DTYPES = ("auto", "float32", "bfloat16")
_IN_RANGE = {
    _SHARE: lambda value: 0 <= value < 1,
    _POSITIVE: lambda value: value > 0,
    _AT_LEAST_0: lambda value: value >= 0,
    _ABOVE_0: lambda value: 0 < value <= 1,
    _BETWEEN: lambda value: 0 < value < 1,
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "head": HEADS,
    "split_method": SPLIT_METHODS,
    "near_duplicates": ("none", "report", "group"),
    "sampler": SAMPLERS,
    "crop_from": ("square", "photo"),
    "loss": LOSSES,
    "distillation": DISTILLATIONS,
    "resize_mode": RESIZE_MODES,
    "compute_dtype": COMPUTE_DTYPES,
    "interpolation": tuple(INTERPOLATIONS),
    "head_init": ("zero", "scaled"),
    "epoch_scan": ("auto", "on", "off"),
    "member_order": ("own", "shared"),
    "members_mode": ("auto", "vmap", "in_turn"),
}


def check_values(config: TrainConfig) -> None:
    """Check the settings that need no data to be checked.

    Args:
      config: settings; those that are None are passed over.

    Raises:
      ValueError: naming the setting, what came and what was expected.
    """
    given = config.flat()
    for expected, names in _RANGES.items():
        for name in names:
            value = given[name]
            if value is not None and not _IN_RANGE[expected](value):
                raise ValueError(f"{name} must be {expected}, got {value}.")
    for name, value in given.items():
        most = _MOST_SEED if name.endswith("seed") else _MOST
        if type(value) is int and value > most:
            raise ValueError(f"{name} must be at most {most:,}, got {value:,}.")
    for name, known in _CHOICES.items():
        if given[name] is not None and given[name] not in known:
            raise unknown_name(name, given[name], known)
    if config.head != "softmax" and config.training.loss == "binary_cross_entropy":
        raise ValueError(
            f"loss=binary_cross_entropy is for head=softmax; head={config.head} has it already: "
            "leave loss out."
        )
    mesh_sizes(config.run.mesh)
    _check_images(config.data)
    _check_start(config)
    if config.crops_photos:
        _check_crops(config)
    _check_mixing(config)
    _check_teacher(config)
    _check_members(config)
    _check_folds(config)
    check_privacy(config.training)
    check_optimizer(config)
    _check_views(config)
    repeats = config.training.repeated_augmentation
    batch_size, parts = config.training.batch_size, config.training.accumulate_steps
    if repeats > batch_size:
        raise ValueError(
            f"repeated_augmentation (={repeats}) must be at most batch_size (={batch_size})."
        )
    if config.training.progressive_resizing and config.data.image_size_px:
        shares = parse_shares(config.training.progressive_resizing)
        check_sizes(shares, min(sides(config.data.image_size_px)))
    if batch_size % parts:
        raise ValueError(f"accumulate_steps (={parts}) must divide batch_size (={batch_size}).")


def _check_views(config: TrainConfig) -> None:
    """Refuse views that contradict each other or have no room."""
    text, flips, data = config.run.eval_views, config.run.flip_average, config.data
    if text is None:
        return
    views = parse_views(text)
    if flips is not None and flips != ("flip" in views):
        raise ValueError(
            f"eval_views (={text}) and flip_average (={flips}) contradict each other; leave "
            "flip_average out."
        )
    stored, seen = data.stored_size_px, data.seen_size_px
    if "five_crop" in views and stored and seen and sides(stored) == sides(seen):
        raise ValueError(
            f"eval_views=five_crop needs stored_size_px (={size_text(stored)}) above the "
            f"{size_text(seen)} px that evaluation sees; raise it, or lower eval_size_px."
        )


def _check_images(data: DataSettings) -> None:
    choose_decoder(data.decoder)
    if data.group_by:
        compile_pattern(data.group_by)
    if data.dataset == "drawn_pets" and data.data_dir:
        raise ValueError(
            f"data_dir (={data.data_dir}) holds photos, but dataset=drawn_pets draws its own; "
            "leave dataset out to learn from the photos, or leave data_dir out."
        )
    _check_table(data)
    if data.dataset == "drawn_pets" and data.decisions:
        raise ValueError(
            f"decisions (={data.decisions}) are about photos, but dataset=drawn_pets draws its "
            "own; leave one of them out."
        )
    if data.num_channels not in (None, 1, 3):
        raise ValueError(f"num_channels must be 1 or 3, got {data.num_channels}.")
    _check_sizes(data)
    for name, expected in (("pixel_mean", _AT_LEAST_0), ("pixel_std", _POSITIVE)):
        values = getattr(data, name)
        if values is None:
            continue
        if len(values) not in (1, data.num_channels or len(values)):
            raise ValueError(
                f"{name} must be one number, or one per channel ({data.num_channels}), "
                f"got {len(values)}."
            )
        if not all(map(_IN_RANGE[expected], values)):
            raise ValueError(f"{name} must be {expected} for every channel, got {values}.")
    if data.validation_fraction + data.test_fraction >= 1:
        raise ValueError(
            f"validation_fraction (={data.validation_fraction}) and test_fraction "
            f"(={data.test_fraction}) leave nothing to train on; their sum must be below 1."
        )


def _check_sizes(data: DataSettings) -> None:
    for name in SIZE_SETTINGS:
        needed, stored = getattr(data, name), data.stored_size_px
        if needed is None:
            continue
        if min(sides(needed)) < 1:
            raise ValueError(f"{name} must be {_POSITIVE}, got {size_text(needed)}.")
        if stored is not None and not covers(stored, needed):
            raise ValueError(
                f"stored_size_px (={size_text(stored)}) is smaller than {name} "
                f"(={size_text(needed)}); raise the first or lower the second."
            )


def _check_table(data: DataSettings) -> None:
    """Refuse settings of a table where there is none."""
    given = {name: getattr(data, name) for name in ("labels", *TABLE_SETTINGS)}
    named = [name for name, value in given.items() if value is not None]
    if data.dataset != "folder" and named:
        raise ValueError(
            f"{named[0]} (={given[named[0]]}) is for your own photos, but dataset={data.dataset} "
            "has labels of its own; leave one of them out."
        )
    for name in named:
        if not given[name]:
            raise ValueError(f"{name} is empty; leave it out, or say which.")


def _check_crops(config: TrainConfig) -> None:
    policy = config.training.augment
    if policy and "zoom" not in parse_policy(policy):
        raise ValueError(
            f"crop_from=photo needs an augment that says how large the crops are, got {policy!r}; "
            "add zoom, e.g. zoom=0.08,aspect=1.3333."
        )
    if config.run.epoch_scan == "on":
        raise ValueError(
            "crop_from=photo decodes photos for each batch, but epoch_scan=on needs images in "
            "memory; leave one of them out."
        )


def _check_start(config: TrainConfig) -> None:
    network, training = config.network, config.training
    if network.init_from and (network.pretrained or network.weights):
        raise ValueError("init_from and pretrained or weights=NAME exclude each other; give one.")
    if network.weights_key and not network.weights:
        raise ValueError(
            f"weights_key={network.weights_key} names a part of a file; give the file as weights."
        )
    if training.fine_tune and network.freeze == "backbone":
        raise ValueError("freeze=backbone leaves nothing to fine-tune; give fewer stages, or none.")
    if training.layer_decay is not None and training.layer_decay > 1:
        raise ValueError(f"layer_decay must be in (0, 1], got {training.layer_decay}.")
    needs_weights = training.fine_tune or network.freeze not in (None, "none")
    if not starts_from_weights(config) and needs_weights:
        given = "fine_tune=True" if training.fine_tune else f"freeze={network.freeze}"
        raise ValueError(
            f"{given} needs weights to start from: give pretrained=True, weights=NAME or "
            "init_from=RUN."
        )


def _check_mixing(config: TrainConfig) -> None:
    training = config.training
    if max(training.mixup, training.cutmix) == math.inf:
        raise ValueError(
            f"mixup (={training.mixup}) and cutmix (={training.cutmix}) must be finite."
        )
    mixes, on_features = training.mixup or training.cutmix, config.network.freeze == "backbone"
    if mixes and on_features and training.cache_features:
        raise ValueError(
            "mixup and cutmix mix photos, but with a frozen backbone the last layer learns from "
            "cached features of single photos; give cache_features=False or fine_tune=True, or mix "
            "nothing."
        )


def _check_teacher(config: TrainConfig) -> None:
    training = config.training
    if training.teacher is None:
        return
    if not training.teacher:
        raise ValueError("teacher is empty; leave it out, or give the folder of a run.")
    if training.cache_features and config.network.freeze == "backbone":
        raise ValueError(
            "teacher answers to augmented photos, but with a frozen backbone the last layer learns "
            "from cached features; give cache_features=False, or leave teacher out."
        )
    if training.teacher_views and config.crops_photos:
        raise ValueError(
            "teacher_views are views that come again, and crop_from=photo cuts new crops in each "
            "epoch; give crop_from=square, or leave teacher_views out."
        )
    if training.teacher_views and (training.mixup or training.cutmix):
        raise ValueError(
            "teacher_views are not mixed; leave mixup and cutmix out, or teacher_views."
        )
    if config.run.folds:
        raise ValueError(
            f"teacher and folds={config.run.folds} exclude each other: the teacher has been "
            "trained on photos that a fold is tested on; give one of them."
        )
    if config.run.searches:
        raise ValueError(
            "teacher and a search of settings exclude each other; search first, then give teacher."
        )
    if training.dp_clip_norm:
        raise ValueError(
            "dp_clip_norm bounds what one photo tells, and teacher's answers tell of the photos "
            "that it was trained on; give one of them."
        )


def _check_members(config: TrainConfig) -> None:
    training = config.training
    if config.run.num_seeds == 1:
        return
    if training.fine_tune:
        raise ValueError(
            "num_seeds above 1 is for a single phase of training, and fine_tune has two; train the "
            "last layer alone (freeze=backbone), or all layers at once (freeze=none)."
        )
    if training.cache_features and training.feature_views:
        raise ValueError(
            "num_seeds above 1 has one cache of features for all networks, so feature_views "
            f"(={training.feature_views}) must be 0, or give cache_features=False."
        )


def _check_folds(config: TrainConfig) -> None:
    folds, run = config.run.folds, config.run
    if not folds:
        return
    if folds < 3:
        raise ValueError(
            f"folds must be 0 or at least 3, got {folds}: one to test on, one to choose the best "
            "epoch on, and others to learn from."
        )
    if run.num_seeds > 1 or run.searches:
        given = f"num_seeds={run.num_seeds}" if run.num_seeds > 1 else "a search of settings"
        raise ValueError(
            f"folds (={folds}) trains a network for each fold, and {given} trains several too; "
            "give one of them."
        )


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


def without_effect(given: TrainConfig, config: TrainConfig) -> list[str]:
    """List which of the given settings have no effect in a run, and why.

    Args:
      given: settings as they were given, some of them None.
      config: the same, complete.

    Returns:
      A line for each, in the order of the settings.
    """
    training, network = config.training, config.network
    is_drawn, is_all_frozen = config.data.dataset == "drawn_pets", network.freeze == "backbone"
    drawn = (
        *("validation_fraction", "test_fraction", "split_method", "group_by", "near_duplicates"),
        *("max_bad_share", "decoder", "resize_mode"),
    )
    taught = (
        *("distillation", "distillation_temperature", "distillation_label_share"),
        "teacher_views",
    )
    cases: list[tuple[bool, str, tuple[str, ...]]] = [
        (training.teacher is None, "no teacher is given", taught),
        (training.distillation == "hard", "distillation is hard", ("distillation_temperature",)),
        (
            is_drawn,
            "drawn_pets are drawn at the size and number that are wanted",
            (*drawn, "interpolation"),
        ),
        (not training.fine_tune, "fine_tune is off", ("head_epochs", "head_learning_rate")),
        (
            not starts_from_weights(config),
            "the run starts from random weights",
            ("layer_decay", "head_init"),
        ),
        (
            not is_all_frozen and not (training.fine_tune and training.head_epochs),
            "the last layer is never trained alone",
            ("cache_features", "feature_views"),
        ),
        (not training.cache_features, "cache_features is off", ("feature_views",)),
        (
            is_all_frozen and training.cache_features,
            "the last layer learns from cached features",
            ("rematerialize", "drop_path_rate", "crop_from", "progressive_resizing"),
        ),
        (training.weight_decay == 0, "weight_decay is 0", ("weight_decay_on",)),
        (
            training.loss != "binary_cross_entropy",
            "loss is not binary_cross_entropy",
            ("target_threshold",),
        ),
        (is_drawn, "drawn_pets are square", ("crop_from",)),
        (not config.run.sweep, "sweep is not given", ("sweep_epochs",)),
        (config.run.num_seeds == 1, "num_seeds is 1", ("member_order", "members_mode")),
    ]
    values, plain, used = given.flat(), TrainConfig().flat(), config.flat()
    why = {
        name: reason
        for applies, reason, names in reversed(cases)
        for name in names
        # False and 0 switch nothing on.
        if applies and used[name] and values[name] not in (None, plain[name])
    }
    return [f"{name} has no effect: {why[name]}." for name in values if name in why]
