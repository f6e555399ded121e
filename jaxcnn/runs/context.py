"""What the phases of a run share, and what they all need of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from jaxcnn.data import batches as batches_lib
from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.host.files import write_rows
from jaxcnn.host.processes import is_first
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.training.compilation import CompiledStep, compile_step
from jaxcnn.training.sharding import Layout
from jaxcnn.types import Batch, PyTree


class RunContext(NamedTuple):
    """What the phases of a run share."""

    config: TrainConfig
    folder: Workdir
    data: ImageSplits
    shapes: PyTree  # of the whole network's variables
    key: jax.Array  # of all draws in training, the same at every start of the run
    layout: Layout  # of all arrays on the devices
    progress: bool = True  # show moving lines, and a line per epoch
    eval_step: Any = None  # of the whole network, compiled

    def eval_batches(self, split: ImageSplit, batch_size: int | None = None) -> Iterator[Batch]:
        """Give a split's batches on the devices, each example once."""
        size = batch_size or self.eval_batch_size
        batches = batches_lib.eval_batches(split, batch_size=size, **own_share())
        return map(self.layout.put_batch, batches)

    @property
    def eval_batch_size(self) -> int:
        """Give the size of evaluation's batches, rounded up to what the devices divide."""
        return self.layout.round_up(self.config.run.eval_batch_size)

    def bar(self, total: int, about: str, *, unit: str, leave: bool = False) -> tqdm:
        """Give a bar, which moves where standard error is a terminal."""
        hidden = None if self.progress else True
        return tqdm(total=total, desc=about, unit=unit, leave=leave, disable=hidden)

    def compile(self, step: Any, state: PyTree, batch: Any, *others: Any) -> CompiledStep:
        """Compile a step of variables and a batch; what it gives lies on every device."""
        layout = self.layout
        shapes = (layout.state_shapes(state), layout.batch_shapes(batch))
        with layout.tracing():
            step = layout.gathered(step)
            return compile_step(step, *shapes, *others, out_shardings=layout.replicated)


def own_share() -> dict[str, int]:
    """Say which part of each batch this process makes."""
    return {"process_index": jax.process_index(), "process_count": jax.process_count()}


@contextmanager
def epoch_writer(
    folder: Workdir, first_step: int
) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Give what writes the table of epochs, and its last row to TensorBoard's log."""
    if not is_first():
        yield lambda history: None
        return
    with folder.summary_writer(first_step=first_step) as writer:

        def write(history: list[dict[str, Any]]) -> None:
            write_rows(folder.metrics, history)
            for name, value in history[-1].items():
                if not isinstance(value, str):
                    writer.add_scalar(name, value, history[-1]["step"])

        yield write


def count_parameters(params: PyTree) -> int:
    """Count the numbers in a tree of arrays or their shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def batch_shapes(split: ImageSplit, batch_size: int) -> Any:
    """Give the shapes of a split's batches, to compile a step for."""

    def shape(dtype: Any, *dimensions: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((batch_size, *dimensions), dtype)

    return Batch(  # shapes instead of arrays
        image=shape(split.dtype, *split.image_shape),  # type: ignore[arg-type]
        label=shape(np.int32),  # type: ignore[arg-type]
        mask=shape(bool),  # type: ignore[arg-type]
        index=shape(np.int32),  # type: ignore[arg-type]
    )
