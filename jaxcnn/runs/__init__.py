"""Whole runs: from settings to a tested classifier, its folder and its page.

A run begins in `train_and_evaluate`, with settings from `config` or a published one of `recipes`.
`run` trains and tests one network or several: `phases` and `phase_training` say what it gives to
`jaxcnn.training.fit`, from the parts of `build`, the weights of `transfer` and the features of
`features_cache`, in the `context` that phases share. It leaves what `folder` lists, by `summary`,
`figures` and `report`. `tuning` chooses hyper-parameters before a run, `planning` tells its cost.
Of a run that ended, `classifier` labels photos, `look_inside` explains it, and `hard_examples` and
`findings` list what looks wrong, by what `judging` says of each label. Imports everything below:
`jaxcnn.training`, `jaxcnn.pretrained`, `jaxcnn.interpret`, `jaxcnn.plots`, and what they stand on.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.classifier import Classifier as Classifier
    from jaxcnn.runs.config import TrainConfig as TrainConfig, load_config as load_config
    from jaxcnn.runs.evaluate_again import (
        evaluate_classifier as evaluate_classifier,
    )
    from jaxcnn.runs.findings import find_findings as find_findings
    from jaxcnn.runs.folder import (
        CannotWriteError as CannotWriteError,
        WorkdirError as WorkdirError,
    )
    from jaxcnn.runs.hard_examples import (
        HardExamples as HardExamples,
        find_hard_examples as find_hard_examples,
    )
    from jaxcnn.runs.prediction import Prediction as Prediction
    from jaxcnn.runs.recipes import recipe_settings as recipe_settings
    from jaxcnn.runs.train_and_evaluate import train_classifier as train_classifier
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
