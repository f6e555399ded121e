"""Optimizers, schedules, weight averages and private gradients, from the parts of Optax.

`optimizers` makes an optimizer by name, of `directions` or of one of Optax's `factories`;
`parameter_groups` holds learning rates and weight decay by parameter; `schedules` the learning
rate by step; `ema` the moving average of weights; `differential_privacy` clipped and noised
gradients, and what they keep private. Imports `jaxcnn.host` and `jaxcnn.types`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.optim.differential_privacy import Privacy as Privacy
    from jaxcnn.optim.directions import (
        evaluation_params as evaluation_params,
        is_schedule_free as is_schedule_free,
    )
    from jaxcnn.optim.ema import ema_update as ema_update
    from jaxcnn.optim.factories import (
        decays_decoupled as decays_decoupled,
        default_learning_rate as default_learning_rate,
        default_momentum as default_momentum,
        finds_learning_rate as finds_learning_rate,
        goes_by_loss as goes_by_loss,
        list_optimizers as list_optimizers,
        needs_more_than_gradients as needs_more_than_gradients,
        optimizer_options as optimizer_options,
    )
    from jaxcnn.optim.optax_schedules import schedule_options as schedule_options
    from jaxcnn.optim.optimizers import (
        make_optimizer as make_optimizer,
        with_hyperparameters as with_hyperparameters,
    )
    from jaxcnn.optim.parameter_groups import (
        decay_mask as decay_mask,
        layer_factors as layer_factors,
        parameter_names as parameter_names,
        parse_multipliers as parse_multipliers,
    )
    from jaxcnn.optim.schedules import (
        list_schedules as list_schedules,
        make_schedule as make_schedule,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
