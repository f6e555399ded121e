"""Whole runs: from settings to a tested classifier, its folder and its page.

`train_and_evaluate` is where a run begins, `single` and `ensemble` are the two kinds of run,
`config` holds the settings, `tuning` chooses hyper-parameters before a run, `planning` tells its
cost, `report` writes its page, and `classifier` labels photos with what it left. Imports
everything below: `training`, `pretrained`, `interpret`, `plots`, and what they stand on.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.runs.classifier import Classifier as Classifier, Prediction as Prediction
    from jaxcnn.runs.config import (
        TrainConfig as TrainConfig,
        load_config as load_config,
        resolve as resolve,
    )
    from jaxcnn.runs.folder import Workdir as Workdir, WorkdirError as WorkdirError
    from jaxcnn.runs.hard_examples import find_hard_examples as find_hard_examples
    from jaxcnn.runs.recipes import (
        describe_recipes as describe_recipes,
        recipe_settings as recipe_settings,
    )
    from jaxcnn.runs.train_and_evaluate import (
        check as check,
        evaluate_classifier as evaluate_classifier,
        load_data as load_data,
        load_run as load_run,
        train_classifier as train_classifier,
    )
    from jaxcnn.runs.transfer import (
        find_start as find_start,
        transfer_variables as transfer_variables,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
