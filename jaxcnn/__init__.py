"""Convolutional image classifiers in JAX: pure functions from photo to label.

`fit` trains your own network on arrays, photos or a loader. `train_classifier` trains and tests a
classifier from settings, and writes a folder. `Classifier.load` labels photos with it. The names
on this page are the ones that most programs need; the packages hold the rest:

- `jaxcnn.models`: networks by name, their stages and their layers
- `jaxcnn.ops`: convolution, pooling and batch normalisation, fast on a CPU
- `jaxcnn.augment`: random changes to images; mixup and CutMix
- `jaxcnn.data`: folders of photos, data sets, decoding, splits, batches
- `jaxcnn.losses`: cross-entropy for softmax and sigmoid heads
- `jaxcnn.metrics`: accuracy, calibration, label quality, baselines
- `jaxcnn.optim`: optimizers, learning-rate schedules, EMA, private gradients
- `jaxcnn.training`: `fit`, callbacks, steps of training and evaluation, checkpoints
- `jaxcnn.pretrained`: published weights
- `jaxcnn.interpret`: what a network looks at
- `jaxcnn.plots`: pictures of data, training and errors, as PNG files
- `jaxcnn.runs`: whole runs, and the classifiers that they leave; settings in `jaxcnn.runs.config`
- `jaxcnn.export`: programs in StableHLO and ONNX, model cards
- `jaxcnn.photos`: an index of your photos, and its search; local pages of it in
  `jaxcnn.photos.server`, and of what a run suspects in `jaxcnn.photos.cleaning`
- `jaxcnn.host`: this machine: processes, folders, memory
- `jaxcnn.types`: what a batch and a state are

What they have to tell is logged below "jaxcnn": Python shows the warnings, and
`logging.basicConfig(level=logging.INFO)` the rest.
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
