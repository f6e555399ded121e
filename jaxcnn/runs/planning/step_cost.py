"""What one training step costs: memory and arithmetic, as the compiler counts them."""

import time
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from jaxcnn.ops.lowering import stock_ops
from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.phases import plan_phases
from jaxcnn.training.state import start_state
from jaxcnn.training.step import make_train_step
from jaxcnn.types import Batch, PyTree, TrainState

# The counts are those of XLA's graph; machine code, most of a compilation, is not needed well made.
_COMPILER_OPTIONS: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
}


class StepCost(NamedTuple):
    """What the compiler counts for one step of one device.

    Attributes:
      batch_size: examples of the device.
      flops: floating-point operations; a multiplication and an addition are two.
      bytes_accessed: bytes that its operations read and write.
      temporary_bytes: greatest memory beside arguments and results: activations, gradients.
      batch_bytes: memory of the images and labels.
      compile_seconds: time it took to trace and compile.
    """

    batch_size: int
    flops: float
    bytes_accessed: float
    temporary_bytes: int
    batch_bytes: int
    compile_seconds: float


def measure_step(config: TrainConfig, num_classes: int, batch_size: int) -> StepCost:
    """Compile one device's training step here, and read what the compiler counts.

    The program holds XLA's own operations alone, as on an accelerator. On a CPU the compiler turns
    bfloat16 to float32 and fuses less, so memory and bytes are more than an accelerator's.

    Args:
      config: complete settings.
      num_classes: number of classes.
      batch_size: examples of the device.

    Returns:
      The cost of a step.
    """
    started = time.perf_counter()
    parts = _parts(config, num_classes)
    step = make_train_step(parts.model, parts.optimizer, parts.loss_fn, **parts.options)
    stored_shape = config.training_preprocessing.decoding.image_shape
    pixels = jax.ShapeDtypeStruct((batch_size, *stored_shape), np.uint8)
    numbers = jax.ShapeDtypeStruct((batch_size,), np.int32)
    batch: Any = Batch(pixels, numbers, numbers.update(dtype=bool), numbers)  # type: ignore[arg-type]
    key = jax.eval_shape(lambda: jax.random.key(0))
    with stock_ops():
        lowered = jax.jit(step, donate_argnums=0).lower(
            state_shapes(config, num_classes), batch, key
        )
    compiled = lowered.compile(compiler_options=cast(Any, _COMPILER_OPTIONS))
    counted = cast(dict[str, float], compiled.cost_analysis())
    memory = cast(Any, compiled.memory_analysis())
    return StepCost(
        batch_size=batch_size,
        flops=counted["flops"],
        bytes_accessed=counted["bytes accessed"],
        temporary_bytes=memory.temp_size_in_bytes,
        batch_bytes=tree_bytes(batch),
        compile_seconds=time.perf_counter() - started,
    )


def state_shapes(config: TrainConfig, num_classes: int) -> TrainState:
    """Give the shapes of a training state, without computing any.

    Args:
      config: complete settings.
      num_classes: number of classes.

    Returns:
      A TrainState of `jax.ShapeDtypeStruct`.
    """
    parts = _parts(config, num_classes)

    def start(variables: PyTree) -> TrainState:
        return start_state(
            variables,
            parts.optimizer,
            frozen=parts.options["frozen"],
            with_ema=bool(config.training.ema_decay),
        )

    return cast(TrainState, jax.eval_shape(start, build.variable_shapes(config, parts.model)))


def tree_bytes(tree: PyTree) -> int:
    """Count the bytes of arrays or their shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _parts(config: TrainConfig, num_classes: int) -> build.Parts:
    phase = plan_phases(config)[-1]
    return build.build_parts(config, phase, class_counts=[1] * num_classes, steps_per_epoch=100)
