"""The values that flow through training: what a batch, a state and a metric are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray
PyTree = Any


class Batch(NamedTuple):
    """A fixed number of examples, so that one compiled program serves every batch."""

    image: Array  # (B, H, W, C) uint8 from the host; float32 in [0, 1] once on the device
    label: Array  # (B,) int32, or (B, K) float32 after mixing
    mask: Array  # (B,) bool, False on the padding of the last batch
    # (B,) int32, the example's position in its split, for its r-th copy in the batch plus r times
    # the split's length; -1 on padding
    index: Array  # type: ignore[assignment]


class TrainState(NamedTuple):
    """All that training changes: arrays only, so it jits, vmaps, shards and is saved as it is."""

    step: jax.Array  # () int32, number of updates made
    params: PyTree  # float32 leaves
    batch_stats: PyTree  # BatchNorm's running mean and variance, {} without BatchNorm
    opt_state: PyTree  # Optax state
    ema_params: PyTree  # average of params, {} where no average is kept
    ema_batch_stats: PyTree  # average of batch_stats, {} likewise


# Of a batch, by metric and then by part; adding them is exact on a ragged last batch, as adding
# means is not.
Sums = Mapping[str, Mapping[str, Array]]
