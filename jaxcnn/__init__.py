"""Convolutional image classifiers in JAX: pure functions from photo to label.

The names here are the ones most programs need; the packages hold the rest. What they have to tell
is logged below "jaxcnn": Python shows the warnings, and `logging.basicConfig(level=logging.INFO)`
the rest.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

__version__ = "1.0.0"

if TYPE_CHECKING:
    from jaxcnn.augment import make_augment as make_augment
    from jaxcnn.metrics import Metric as Metric, get_metric as get_metric
    from jaxcnn.models import (
        create_model as create_model,
        list_models as list_models,
        summarize as summarize,
    )
    from jaxcnn.runs import (
        Classifier as Classifier,
        Prediction as Prediction,
        TrainConfig as TrainConfig,
        evaluate_classifier as evaluate_classifier,
        train_classifier as train_classifier,
    )
    from jaxcnn.training import (
        Callback as Callback,
        Checkpoint as Checkpoint,
        EarlyStopping as EarlyStopping,
        FitResult as FitResult,
        HistoryFile as HistoryFile,
        ProgressBar as ProgressBar,
        TensorBoard as TensorBoard,
        fit as fit,
        init_state as init_state,
        make_eval_step as make_eval_step,
        make_train_step as make_train_step,
    )
    from jaxcnn.types import Batch as Batch, TrainState as TrainState
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
