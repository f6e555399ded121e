"""Training: the state, the compiled steps, evaluation, the loop, and checkpoints.

`step` and `eval_step` are the pure functions, `loop` is the host around them. Imports the networks,
losses, metrics, optimizers, augmentation and data; knows nothing of settings or folders of runs.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.training.checkpoints import (
        Checkpoint as Checkpoint,
        CheckpointError as CheckpointError,
        CheckpointStore as CheckpointStore,
    )
    from jaxcnn.training.compilation import (
        CompiledStep as CompiledStep,
        compile_step as compile_step,
    )
    from jaxcnn.training.eval_step import (
        make_eval_step as make_eval_step,
        make_eval_step_of_views as make_eval_step_of_views,
        make_predict as make_predict,
    )
    from jaxcnn.training.evaluation import Evaluation as Evaluation, evaluate as evaluate
    from jaxcnn.training.features import (
        FeatureSplit as FeatureSplit,
        make_answer_step as make_answer_step,
        make_feature_step as make_feature_step,
    )
    from jaxcnn.training.history import Progress as Progress
    from jaxcnn.training.loop import (
        Fit as Fit,
        NonFiniteLossError as NonFiniteLossError,
        Plan as Plan,
        Stores as Stores,
        restore_run as restore_run,
    )
    from jaxcnn.training.members import (
        init_members as init_members,
        make_members_step as make_members_step,
        stack_members as stack_members,
        take_member as take_member,
        unstack_members as unstack_members,
    )
    from jaxcnn.training.preprocessing import (
        normalize as normalize,
        to_unit_interval as to_unit_interval,
    )
    from jaxcnn.training.progress_line import ProgressLine as ProgressLine
    from jaxcnn.training.sharding import Layout as Layout, fetch as fetch, parse_mesh as parse_mesh
    from jaxcnn.training.state import (
        evaluation_variables as evaluation_variables,
        init_state as init_state,
        start_state as start_state,
    )
    from jaxcnn.training.step import make_step as make_step, make_train_step as make_train_step
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
