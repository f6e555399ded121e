"""What a frozen backbone gives for a run's photos: computed once, cached in the run's folder."""

import dataclasses
import logging
import time

import numpy as np

from jaxcnn.augment.policy import parse_policy
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.processes import is_first
from jaxcnn.models import HEAD, StagedNetwork, fold_batch_norm
from jaxcnn.runs.context import RunContext
from jaxcnn.training import features
from jaxcnn.training.checkpoints import fingerprint
from jaxcnn.training.evaluation import compile_evaluation
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.step import Augment
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_BATCH_SIZE = 32


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
        preprocessing = dataclasses.replace(preprocessing, flip_average=flips)
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
    path = run.folder.features / f"{name}.npz"
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
        if is_first():
            try:
                features.save_features(path, *found, about)
            except OSError as error:
                why = error.strerror or error
                logger.warning(f"features of {name} cannot be cached in {path.parent}: {why}")
    return features.FeatureSplit(*found, split.labels, split.names, split.class_names)
