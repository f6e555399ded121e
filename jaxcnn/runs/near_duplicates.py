"""Photos of a run that are nearly the same: listed, drawn, or kept in one split.

Where a run trains on the features of a frozen network, these tell; else a perceptual hash of the
photos, where they are in memory.
"""

import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn import plots
from jaxcnn.data.datasets import ImageSplits, tell_of_copies
from jaxcnn.data.label_sets import names_of_label
from jaxcnn.data.source import (
    SPLIT_NAMES,
    Splits,
    check_classes,
    describe_sizes,
    example_names,
    label_at,
)
from jaxcnn.data.splits.groups import example_groups
from jaxcnn.data.splits.joined_split import JoinedSplit
from jaxcnn.data.splits.near_duplicates import (
    NearDuplicate,
    NearPairs,
    merge_groups,
    name_pairs,
    pairs_by_features,
    pairs_by_hash,
    write_near_duplicates_csv,
)
from jaxcnn.data.splits.perceptual_hash import hashes_of
from jaxcnn.data.splits.splitting import split_of_each
from jaxcnn.host.text import counted
from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.features_cache import SharedFeatures, split_features
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.known_splits import find_splits, known_splits
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.run import Run
from jaxcnn.runs.transfer import Start
from jaxcnn.training.features import FeatureSplit

logger = logging.getLogger(__name__)

_DRAWN = 24  # pairs


def share_features(run: Run, pool: JoinedSplit, folder: Workdir) -> SharedFeatures | None:
    """Compute the features of all photos once, where a run trains on features.

    Args:
      run: one that trains on a part of the photos.
      pool: all photos.
      folder: where the features are kept.

    Returns:
      The features, which the run's context takes; None where no phase trains on features.
    """
    phase = plan_phases(run.config)[0]
    if not phase.on_features:
        return None
    (variables,) = run.start_variables()
    model, augment = _network(run)
    return SharedFeatures(run.context._replace(folder=folder), model, augment, pool, variables)


def _network(run: Run) -> tuple[Any, Any]:
    """Build the network of a run's first phase, and its augmentation."""
    counts = [1] * len(run.data.class_names)
    phase = plan_phases(run.config)[0]
    parts = build.build_parts(run.config, phase, class_counts=counts, steps_per_epoch=1)
    return parts.model, parts.options["augment"]


def find_pairs(
    pool: JoinedSplit, vectors: np.ndarray | None, *, streamed: bool = False
) -> NearPairs | None:
    """Find the pairs of photos that are nearly the same.

    Args:
      pool: N photos.
      vectors: (N, D) features, not finite where there is no image; None for a perceptual hash.
      streamed: hash photos that are not in memory too, reading each.

    Returns:
      Pairs of positions; None where there are no features and the photos are not in memory.
    """
    if vectors is not None:
        return pairs_by_features(vectors)
    if pool.is_streamed and not streamed:
        return None
    return pairs_by_hash(hashes_of(pool))


def mean_vectors(parts: Sequence[FeatureSplit]) -> np.ndarray:
    """Give (N, D) features of the photos of all parts, the mean of their views; NaN: no image."""
    means = [np.where(f.present[:, None], f.features.mean(axis=1), np.nan) for f in parts]
    return np.concatenate(means)


def report(run: Run) -> list[NearDuplicate] | None:
    """List the pairs of a run's photos that are nearly the same in its folder, and draw some.

    Args:
      run: before its training.

    Returns:
      The pairs, those across splits first; None where nobody could look.
    """
    data, features = run.data, None
    named = list(zip(SPLIT_NAMES, (data.train, data.validation, data.test), strict=True))
    if plan_phases(run.config)[0].on_features:
        (variables,) = run.start_variables()
        of = run.context.shared_features or functools.partial(
            split_features, run.context, *_network(run)
        )
        # Those of the first two are needed for training anyway, and cached.
        features = [of(n, s, variables, num_augmented=n == "train") for n, s in named]
    pool = JoinedSplit([split for _, split in named])
    pairs = find_pairs(pool, None if features is None else mean_vectors(features))
    if pairs is None:
        logger.info("photos that are nearly the same are not looked for: they are not in memory")
        return None
    splits = [name for name, split in named for _ in range(len(split))]
    return write_pairs(run.folder, pairs, pool, splits, SPLIT_NAMES)


def write_pairs(
    folder: Workdir,
    pairs: NearPairs,
    pool: JoinedSplit,
    splits: Sequence[str],
    order: Sequence[str],
) -> list[NearDuplicate]:
    """Write pairs of photos that are nearly the same into a run's folder, and draw the first.

    Args:
      folder: of the run.
      pairs: of positions in `pool`.
      pool: all photos.
      splits: the split, or the fold, of each.
      order: the splits' names, the earliest first.

    Returns:
      The pairs with names, those across splits first.
    """
    rows = name_pairs(pairs, pool.names, splits, label_texts(pool), order=order)
    if not rows:
        return rows
    write_near_duplicates_csv(folder.near_duplicates, rows)
    _draw(folder, rows, pool)
    across = sum(row.is_across for row in rows)
    logger.log(
        logging.WARNING if across else logging.INFO,
        f"{counted(len(rows), 'pair')} of photos nearly the same, {across:,} of them across "
        f"{'splits' if order == SPLIT_NAMES else 'folds'}; see {folder.near_duplicates}",
    )
    return rows


def label_texts(pool: JoinedSplit) -> list[str]:
    """Name the class of each photo, or its classes."""
    return [names_of_label(label_at(pool.labels, i), pool.class_names) for i in range(len(pool))]


def counts(rows: Sequence[NearDuplicate] | None) -> dict[str, Any]:
    """Write how many pairs there are, for a summary; nothing where nobody looked."""
    if rows is None:
        return {}
    return {
        "num_near_duplicate_pairs": len(rows),
        "num_near_duplicates_across_splits": len(
            {(row.split, row.name) for row in rows if row.is_across}
        ),
    }


def _draw(folder: Workdir, rows: Sequence[NearDuplicate], pool: JoinedSplit) -> None:
    first, place = rows[:_DRAWN], {name: i for i, name in enumerate(pool.names)}
    plots.plot_near_duplicates(
        folder.pictures / "near_duplicates.png",
        pool.gather(np.array([place[row.name] for row in first]))[0],
        pool.gather(np.array([place[row.other_name] for row in first]))[0],
        names=[row.name for row in first],
        other_names=[row.other_name for row in first],
        splits=[row.split for row in first],
        other_splits=[row.other_split for row in first],
        num_pairs=len(rows),
        max_pairs=_DRAWN,
    )


def regroup(
    config: TrainConfig, folder: Workdir, data: ImageSplits, *, start: Start | None
) -> tuple[ImageSplits, SharedFeatures | None]:
    """Split the photos again, so that those that are nearly the same share a split.

    Args:
      config: complete settings.
      folder: of the run.
      data: the photos, split without regard to that.
      start: the weights that the run starts from.

    Returns:
      The photos, as they were where an earlier start of the run split them so; and the features of
      all, where the run trains on features.
    """
    known = known_splits(config, folder)
    pool = JoinedSplit([data.train, data.validation, data.test], by_name=True)
    shared = share_features(Run(config, folder, data, start=start), pool, folder)
    if all(name in known for name in pool.names):
        return data, shared
    whole, limited = find_splits(config, known, near_groups(pool, shared))
    return _split_again(data, pool, whole, limited), shared


def near_groups(pool: JoinedSplit, shared: SharedFeatures | None) -> dict[str, str]:
    """Join the groups of photos that are nearly the same.

    Args:
      pool: all photos.
      shared: their features; None for a perceptual hash.

    Returns:
      {name: group}.
    """
    vectors = None if shared is None else mean_vectors([shared.evaluation(pool)])
    pairs = find_pairs(pool, vectors, streamed=True)
    assert pairs is not None  # streamed photos are hashed too
    before = [""] * len(pool) if pool.source is None else example_groups(pool.source)
    return dict(zip(pool.names, merge_groups(before, pairs, pool.names), strict=True))


def _split_again(
    data: ImageSplits, pool: JoinedSplit, whole: Splits, limited: Splits
) -> ImageSplits:
    """Deal photos that are decoded already into other splits."""
    place, of = {name: i for i, name in enumerate(pool.names)}, split_of_each(whole)
    # What could not be read is in none of the images.
    parts = [[place[name] for name in example_names(s) if name in place] for s in limited]
    splits = [pool.take(part) for part in parts]
    check_classes(splits)
    digests = None
    if data.digests:
        joined = [each for own in data.digests for each in own]
        digests = [[joined[i] for i in pool.order[part]] for part in parts]
    pairs = [
        pair._replace(split=of[pair.name], other_split=of[pair.other_name])
        for pair in data.duplicates
    ]
    tell_of_copies(pairs)  # in splits that the data have
    train, validation, test = splits
    logger.info(f"split so that photos nearly the same stay together: {describe_sizes(splits)}")
    return data._replace(
        train=train,
        validation=validation,
        test=test,
        duplicates=pairs,
        digests=digests,
        split_names=of,
    )
