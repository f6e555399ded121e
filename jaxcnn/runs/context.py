"""What the phases of a run share, and what they all need of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from tqdm import tqdm

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.training.distillation import Teacher
from jaxcnn.training.evaluation import Evaluator
from jaxcnn.training.features import FeatureSplit
from jaxcnn.training.sharding import Layout
from jaxcnn.types import PyTree


class RunContext(NamedTuple):
    """What the phases of a run share."""

    config: TrainConfig
    folder: Workdir
    data: ImageSplits
    shapes: PyTree  # of the whole network's variables
    key: jax.Array  # of all draws in training, the same at every start of the run
    layout: Layout  # of all arrays on the devices
    evaluator: Evaluator  # of the whole network
    metrics: dict[str, Any]  # what is measured beside the loss, by name
    progress: bool = True  # show moving lines, and a line per epoch
    # What gives the features of a split, see `features_cache.SharedFeatures`; None computes them.
    shared_features: Callable[..., FeatureSplit] | None = None

    teacher: Teacher | None = None  # whose answers are learned, too

    def bar(self, total: int, about: str, *, unit: str, leave: bool = False) -> tqdm:
        """Give a bar, which moves where standard error is a terminal."""
        hidden = None if self.progress else True
        return tqdm(total=total, desc=about, unit=unit, leave=leave, disable=hidden)
