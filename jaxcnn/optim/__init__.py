"""Optimizers, schedules, weight averages and private gradients, from the parts of Optax.

`optimizers` holds optimizers by name, learning rates by layer and weight decay; `schedules` the
learning rate by step; `ema` the moving average of weights; `differential_privacy` clipped and
noised gradients, and what they keep private. Imports `jaxcnn.host` and `jaxcnn.types`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.optim.differential_privacy import Privacy as Privacy
    from jaxcnn.optim.ema import ema_update as ema_update
    from jaxcnn.optim.optimizers import (
        decay_mask as decay_mask,
        default_learning_rate as default_learning_rate,
        layer_factors as layer_factors,
        list_optimizers as list_optimizers,
        make_optimizer as make_optimizer,
        with_hyperparameters as with_hyperparameters,
    )
    from jaxcnn.optim.schedules import (
        list_schedules as list_schedules,
        make_schedule as make_schedule,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
