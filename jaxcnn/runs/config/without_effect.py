"""Settings that a run would not use."""

from jaxcnn.runs.config.train_config import TrainConfig, starts_from_weights


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
    cases: list[tuple[bool, str, tuple[str, ...]]] = [
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
