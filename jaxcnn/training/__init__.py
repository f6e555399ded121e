"""Training: the state, the compiled steps, evaluation, the loop, and checkpoints.

`state` and `step` are the pure functions of training, with `preprocessing` and
`gradient_accumulation`; `eval_step` and `evaluation` those of testing; `features` are what a frozen
backbone gives to train on. `loop` is the host around them, with `history`, `checkpoints` and
`progress_line`. `compilation`, `sharding`, `members` and `epoch_scan` say how steps meet devices.
Imports the networks, losses, metrics, optimizers, augmentation and data; knows no settings or
folders of runs.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.training.checkpoints import (
        CheckpointError as CheckpointError,
        CheckpointStore as CheckpointStore,
    )
    from jaxcnn.training.compilation import compile_step as compile_step
    from jaxcnn.training.eval_step import make_eval_step as make_eval_step
    from jaxcnn.training.evaluation import Evaluation as Evaluation, evaluate as evaluate
    from jaxcnn.training.history import Progress as Progress
    from jaxcnn.training.loop import (
        Fit as Fit,
        NonFiniteLossError as NonFiniteLossError,
        Plan as Plan,
        Stores as Stores,
        restore_run as restore_run,
    )
    from jaxcnn.training.preprocessing import (
        network_input as network_input,
        normalize as normalize,
        to_unit_interval as to_unit_interval,
    )
    from jaxcnn.training.progress_line import ProgressLine as ProgressLine
    from jaxcnn.training.sharding import Layout as Layout
    from jaxcnn.training.state import (
        evaluation_variables as evaluation_variables,
        init_state as init_state,
        start_state as start_state,
    )
    from jaxcnn.training.step import make_train_step as make_train_step
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
