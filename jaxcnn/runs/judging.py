"""Judge every label of a run's photos by a classifier that has not seen it.

A linear classifier on features is fitted five times to four fifths of the photos of all splits, so
that each photo is judged by one that has not seen its label. The features are those of the run's
own network, or of published weights where that network knows too little yet.
"""

import logging
from typing import NamedTuple

import jax
import numpy as np

from jaxcnn.data.splits.joined_split import JoinedSplit
from jaxcnn.host.text import counted
from jaxcnn.metrics import label_quality
from jaxcnn.runs import build, train_and_evaluate
from jaxcnn.runs.config import TrainConfig, make_config
from jaxcnn.runs.config.settings import TABLE_SETTINGS
from jaxcnn.runs.config.train_config import SPLIT_SETTINGS
from jaxcnn.runs.features_cache import split_features
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.run import Run
from jaxcnn.runs.transfer import Start, find_start, transfer_variables
from jaxcnn.training.features import FeatureSplit
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_FOLDS = 5


class Judged(NamedTuple):
    """What the photos of all splits seem to be, in the order train, validation, test."""

    unseen: np.ndarray  # (N, K) float64, of classifiers that have not seen the label; NaN: no image
    suspected: np.ndarray  # (N,) int32, the class that the photo surely seems to be, or -1
    present: np.ndarray  # (N,) bool, whether there is an image
    # (N, D) float32 features that tell photos which are nearly the same, NaN: no image; None for
    # those of a network that was trained on these photos, which are alike throughout a class.
    vectors: np.ndarray | None = None


def check_judgeable(run: Run) -> None:
    """Refuse a run of several networks, or of several labels per photo.

    Raises:
      ValueError: if it is one.
    """
    if run.data.train.labels.ndim > 1:
        raise ValueError(
            f"the run in {run.folder.path} has several labels per photo, and labels are judged "
            "where each photo has one; its page shows the photos whose sets are wrong."
        )
    if run.config.run.num_seeds > 1:
        raise ValueError(
            f"{run.folder.path} holds {run.config.run.num_seeds} networks, and photos are judged "
            "by one; train one with num_seeds=1."
        )


def find_weights(weights: str | None) -> Start | None:
    """Find the published weights that are to judge, before any data is read; None for none.

    Raises:
      ValueError: if they cannot be had.
    """
    return find_start(settings_of(weights)) if weights else None


def judge_labels(run: Run, variables: PyTree, start: Start | None = None) -> Judged:
    """Judge the label of every photo of a run, of all its splits.

    Args:
      run: of one network.
      variables: its best.
      start: weights whose features judge, as `find_weights` gives; None for the run's own network.

    Returns:
      What was found, for each photo.
    """
    splits = run.data.splits
    labels = np.concatenate([split.labels for split in splits]).astype(np.int32)
    if start is None:
        vectors, present = _joined([run.features(n, variables) for n in range(len(splits))])
    else:
        vectors, present = _joined([_features_of_weights(run, start)])
    logger.info(f"judging {counted(len(labels), 'label')} by features, in {_FOLDS} folds")
    num_classes = len(run.data.class_names)
    unseen = np.full((len(labels), num_classes), np.nan)
    suspected = np.full(len(labels), -1, np.int32)
    there = labels[present]
    unseen[present] = label_quality.cross_validated_probabilities(
        vectors[present], there, num_classes=num_classes, num_folds=_FOLDS
    )
    suspected[present] = label_quality.suspect_labels(unseen[present], there).suspected
    is_frozen = start is not None or all(p.on_features for p in plan_phases(run.config))
    telling = np.where(present[:, None], vectors, np.nan) if is_frozen else None
    return Judged(unseen, suspected, present, telling)


def _joined(splits: list[FeatureSplit]) -> tuple[np.ndarray, np.ndarray]:
    """Give (N, D) features and (N,) bool; of views those alone that the photos of all have.

    Augmented views, which training photos alone have, come after the others.
    """
    common = min(split.features.shape[1] for split in splits)
    vectors = [split.features[:, :common].mean(axis=1) for split in splits]
    return np.concatenate(vectors), np.concatenate([split.present for split in splits])


def settings_of(weights: str | None, config: TrainConfig | None = None) -> TrainConfig:
    """Give the settings to look at a run's photos by published weights."""
    data = (
        *("dataset", "data_dir", "labels", *TABLE_SETTINGS),
        *("max_train_examples", *SPLIT_SETTINGS),
    )
    seeds = ("seed", "decisions")
    limits = ("memory_limit_gib", "image_cache_gib", "max_bad_share", "max_pixels")
    same = (*data, *seeds, *limits, "decoder", "compute_dtype")
    kept = {} if config is None else {name: config.flat()[name] for name in same}
    return make_config(**kept, weights=weights, augment="flip", flip_average=False)


def _features_of_weights(run: Run, start: Start) -> FeatureSplit:
    """Compute what published weights see in the photos, or read what is kept of it."""
    config = train_and_evaluate.check(settings_of(start.name, run.config), start)
    found = train_and_evaluate.load_data(config, folder=run.folder)
    split = JoinedSplit(found.splits)
    if list(split.names) != list(JoinedSplit(run.data.splits).names):
        raise ValueError("the photos read for the weights are not the run's; were files changed?")
    model = build.build_model(config, len(run.data.class_names))
    shape = config.preprocessing.image_shape
    variables = transfer_variables(start.variables, model, shape, key=jax.random.key(0))
    context = run.context._replace(config=config)
    return split_features(context, model, lambda _, image: image, "judging", split, variables)
