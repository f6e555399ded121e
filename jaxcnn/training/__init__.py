"""Training: `fit` and the one loop behind it, callbacks, the compiled steps, checkpoints.

`fit` puts a network, data and options together and runs `loop`. It reads data by `inputs`, networks
of other libraries by `functions`, and compiles steps and their batches by `feed`. `callbacks`,
`progress_bar` and `checkpointing` watch and save, in `checkpoints`; `history` is what they are
told. `state` and `step` are the pure functions of training, with `preprocessing` and
`gradient_accumulation`; `distillation` adds a teacher, whose answers `answered_views` computes
before training; `eval_step` and `evaluation` those of testing; `features` are what a frozen
backbone gives to train on. `compilation`, `sharding`, `members` and `epoch_scan` say how steps meet
devices. Imports the networks, losses, metrics, optimizers, augmentation and data; knows no settings
or folders of runs.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.training.answered_views import answer_views as answer_views
    from jaxcnn.training.callbacks import (
        Callback as Callback,
        EarlyStopping as EarlyStopping,
        HistoryFile as HistoryFile,
        OverfittingWarning as OverfittingWarning,
        TensorBoard as TensorBoard,
        View as View,
    )
    from jaxcnn.training.checkpointing import Checkpoint as Checkpoint
    from jaxcnn.training.checkpoints import (
        CheckpointError as CheckpointError,
        CheckpointStore as CheckpointStore,
    )
    from jaxcnn.training.compilation import compile_step as compile_step
    from jaxcnn.training.distillation import Teacher as Teacher, make_teacher as make_teacher
    from jaxcnn.training.eval_step import make_eval_step as make_eval_step
    from jaxcnn.training.evaluation import Evaluation as Evaluation, evaluate as evaluate
    from jaxcnn.training.fit_result import Best as Best, FitResult as FitResult
    from jaxcnn.training.fitting import fit as fit
    from jaxcnn.training.history import Progress as Progress
    from jaxcnn.training.loop import NonFiniteLossError as NonFiniteLossError
    from jaxcnn.training.preprocessing import (
        network_input as network_input,
        normalize as normalize,
        seen_part as seen_part,
        to_unit_interval as to_unit_interval,
    )
    from jaxcnn.training.progress_bar import ProgressBar as ProgressBar
    from jaxcnn.training.sharding import Layout as Layout
    from jaxcnn.training.state import (
        evaluation_variables as evaluation_variables,
        init_state as init_state,
        start_state as start_state,
    )
    from jaxcnn.training.step import make_train_step as make_train_step
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
