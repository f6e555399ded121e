"""What a frozen backbone gives for a run's photos: computed once, cached in the run's folder."""

import dataclasses
import functools
import logging
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxcnn import losses
from jaxcnn.augment.policy import parse_policy
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.processes import is_first
from jaxcnn.models import HEAD, StagedNetwork, fold_batch_norm, split_at_head
from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext
from jaxcnn.training import features
from jaxcnn.training.checkpoints import fingerprint
from jaxcnn.training.evaluation import compile_evaluation
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.step import Augment
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_BATCH_SIZE = 32


def holds_features(run: RunContext, name: str = "train") -> bool:
    """Tell whether an earlier start of the run left features of that name."""
    return _path(run, name).is_file()


def _path(run: RunContext, name: str) -> Path:
    return run.folder.features / f"{name}.npz"


def split_features(
    run: RunContext,
    model: StagedNetwork,
    augment: Augment,
    name: str,
    split: ImageSplit,
    variables: PyTree,
    *,
    num_augmented: bool = False,
) -> features.FeatureSplit:
    """Compute a split's features, or read those that an earlier start of the run left.

    Args:
      run: whose folder keeps them, and whose settings say which views there are.
      model: the whole network.
      augment: (key, image) to image, for the augmented views.
      name: of the file that keeps them in the run's folder.
      split: the images.
      variables: of the whole network.
      num_augmented: whether its views are those that training draws from.

    Returns:
      The split, images replaced by features.
    """
    config, key, layout = run.config, run.key, run.layout
    preprocessing, num_views = config.preprocessing, 0
    if num_augmented:
        flips = parse_policy(config.training.augment).get("flip", 0) > 0
        preprocessing = dataclasses.replace(preprocessing, flip_average=flips, views=())
        num_views = config.training.feature_views
    backbone = {**variables, "params": {**variables["params"], HEAD: {}}}
    about = fingerprint(
        backbone,
        preprocessing,
        np.dtype(model.dtype).name,
        num_views,
        config.training.augment,
        config.run.seed,
        list(split.names),
    )
    path = _path(run, name)
    found = features.load_features(path, about)
    if found is None:
        network = config.network.model
        logger.info(f"{network} runs over {len(split):,} {name} images")
        model, folded = fold_batch_norm(model, variables)
        step = features.make_feature_step(
            model, preprocessing, augment=augment, num_augmented=num_views
        )
        batch_size = layout.round_up(_BATCH_SIZE)
        folded, key = layout.put_state(folded), layout.put_key(key)
        source = SplitInput(split)
        compiled = compile_evaluation(step, layout, folded, source.shapes(batch_size), key)
        started = time.perf_counter()
        with run.bar(len(split), f"features of {name}", unit="image", leave=True) as bar:
            batches = source.eval_batches(batch_size, layout.put_batch)
            found = features.extract(
                compiled, folded, batches, len(split), key=key, on_batch=bar.update
            )
        seconds = time.perf_counter() - started
        _, num_views, num_features = found[0].shape
        logger.info(
            f"{network} ran once over {len(split):,} {name} images, {num_views} views of each: "
            f"{num_views * len(split) / seconds:.0f} img/s; {num_features:,} features each"
        )
        keep(path, found, about, f"features of {name}")
    return features.FeatureSplit(*found, split.labels, split.names, split.class_names)


def keep(path: Path, found: tuple[np.ndarray, np.ndarray], about: str, what: str) -> None:
    """Keep what a network gave for photos; where it cannot be written, the run goes on.

    Args:
      path: the file, `.npz`.
      found: as `features.save_features` takes them.
      about: what they were computed from.
      what: they are, for the warning.
    """
    if not is_first():
        return
    try:
        features.save_features(path, *found, about)
    except OSError as error:
        why = error.strerror or error
        logger.warning(f"{what} cannot be cached in {path.parent}: {why}")


def head_probabilities(
    config: TrainConfig, split: features.FeatureSplit, variables: PyTree, num_classes: int
) -> np.ndarray:
    """Let a run's last layer classify features, the logits of a photo's views averaged.

    Args:
      config: complete settings.
      split: the features.
      variables: of the whole network.
      num_classes: number of classes, K.

    Returns:
      (N, K) float64.
    """
    _, classifier = split_at_head(build.build_model(config, num_classes))
    head = {"params": {HEAD: variables["params"][HEAD]}}
    # The last layer is linear: the mean of the views' logits is the logits of their mean.
    logits = classifier.apply(head, jnp.asarray(split.features.mean(axis=1)), train=False)
    return np.asarray(losses.probabilities(jnp.asarray(logits), classifier.head), np.float64)


class SharedFeatures:
    """The features of all photos of a data set, computed once for several trainings on parts of it.

    Args:
      run: whose folder keeps them.
      model: the whole network.
      augment: (key, image) to image, for the augmented views.
      pool: all photos.
      variables: of the whole network.
    """

    def __init__(
        self,
        run: RunContext,
        model: StagedNetwork,
        augment: Augment,
        pool: ImageSplit,
        variables: PyTree,
    ) -> None:
        of = functools.partial(split_features, run, model, augment)
        self._train = of("all", pool, variables, num_augmented=True)
        flips = parse_policy(run.config.training.augment).get("flip", 0) > 0
        views = 1 + run.config.run.flip_average
        no_others = not run.config.preprocessing.views
        if no_others and (
            flips or not run.config.run.flip_average
        ):  # they are the first views of training
            first = self._train.features[:, :views]
            self._evaluation = dataclasses.replace(self._train, features=first)
        else:
            self._evaluation = of("all_evaluation", pool, variables)
        self._place = {name: i for i, name in enumerate(pool.names)}
        if len(self._place) < len(pool):
            raise ValueError(
                f"{len(pool) - len(self._place)} photos have the name of another one; give each "
                "photo a name of its own."
            )

    def __call__(
        self, name: str, split: ImageSplit, variables: PyTree, *, num_augmented: bool = False
    ) -> features.FeatureSplit:
        """Give the features of some of the photos, see `split_features`."""
        return self._of(self._train if num_augmented else self._evaluation, split)

    def evaluation(self, split: ImageSplit) -> features.FeatureSplit:
        """Give the features of the views that evaluation takes of some of the photos."""
        return self._of(self._evaluation, split)

    def _of(self, found: features.FeatureSplit, split: ImageSplit) -> features.FeatureSplit:
        where = np.array([self._place[each] for each in split.names], np.int64)
        return features.FeatureSplit(
            found.features[where],
            found.present[where],
            split.labels,
            split.names,
            split.class_names,
        )
