"""The settings that the labels decide: the head, and the metric that chooses the best epoch."""

import numpy as np

from jaxcnn.metrics.registry import DEFAULT_BEST
from jaxcnn.runs.config.train_config import TrainConfig


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
