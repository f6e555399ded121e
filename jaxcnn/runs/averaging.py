"""The mean of the last epochs' parameters, taken where it is better on validation."""

import contextlib
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxcnn.data.batches import steps_per_epoch
from jaxcnn.host.text import counted
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.phase_training import Training
from jaxcnn.training.batch_statistics import recompute_batch_stats
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.history import Progress, make_rank
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.step import image_preparation
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_MOST_BATCHES = 200  # to compute BatchNorm's averages of


def average_last_epochs(
    run: RunContext,
    training: Training,
    progress: Progress,
    *,
    recent: Sequence[Path],
    best: Sequence[Path],
    on_features: bool,
) -> list[int]:
    """Average the last epochs of each network, and keep the mean as the best where it is better.

    Args:
      run: what the phases of the run share.
      training: what the last phase trained with.
      progress: after its training; the best step becomes the last one where the mean is better.
      recent: folders of the variables of the last epochs, of each network.
      best: folders of the best variables.
      on_features: whether the last layer was trained on features, so that BatchNorm is frozen.

    Returns:
      How many epochs each network is the mean of; 0 where the best epoch was not worse.

    Source: Izmailov et al. 2018, arXiv:1803.05407, algorithm 1; here the learning rate follows the
    run's schedule, and the mean has to be better on validation.
    """
    found = []
    for member, folders in zip(progress.members, zip(recent, best, strict=True), strict=True):
        mean, count = _mean(run, folders[0])
        if count < 2:
            logger.info(f"no average: {counted(count, 'epoch')} of the last phase, 2 are needed")
            found.append(0)
            continue
        if not on_features:
            mean = {**mean, "batch_stats": _statistics(run, training, mean)}
        evaluated = run.evaluator(SplitInput(run.data.validation), mean).metrics
        row = {f"validation_{name}": value for name, value in evaluated.items()}
        metric = str(run.config.training.best_metric)
        rank, name = make_rank(metric, run.metrics), metric.removeprefix("-")
        # The best of all epochs: `best_step` may be the mean's own, in a run that is resumed.
        best_row = max(member.history, key=rank)
        is_better = rank(row) > rank(best_row)
        logger.info(
            f"mean of the last {count} epochs: validation {name} {evaluated[name]:.4f}, of the "
            f"best epoch {best_row[f'validation_{name}']:.4f}; the "
            f"{'mean' if is_better else 'best epoch'} is taken"
        )
        if is_better:
            _keep(folders[1], progress.step, mean, {"validation": row, "averaged_epochs": count})
            member.best_step = progress.step
        found.append(count if is_better else 0)
    return found


def _mean(run: RunContext, folder: Path) -> tuple[PyTree, int]:
    """Average the variables in a folder; BatchNorm's averages are means, too, until recomputed."""
    shapes = run.layout.state_shapes(run.shapes)
    with contextlib.closing(CheckpointStore(folder, read_only=True)) as store:
        steps = store.steps()
        total: Any = None
        for step in steps:
            restored = store.restore(shapes, step=step)
            assert restored is not None  # a step that is named is read, or raises
            state = restored.state
            total = state if total is None else jax.tree.map(lambda a, b: a + b, total, state)
    return jax.tree.map(lambda x: x / len(steps), total), len(steps)


def _statistics(run: RunContext, training: Training, variables: PyTree) -> PyTree:
    settings, options, layout = run.config.training, training.options, run.layout
    batch_size = settings.batch_size
    data = SplitInput(training.train, settings.repeated_augmentation, settings.sampler)
    batches = data.train_batches(batch_size, [run.config.run.seed], layout.put_batch)
    count = min(steps_per_epoch(len(training.train), batch_size), _MOST_BATCHES)
    return recompute_batch_stats(
        training.model,
        layout.put_state(variables),
        itertools.islice(batches, count),
        prepare=image_preparation(options["augment"], options["mixing"], options["preprocessing"]),
        key=run.key,
        layout=layout,
    )


def _keep(folder: Path, step: int, variables: PyTree, about: dict[str, Any]) -> None:
    with contextlib.closing(CheckpointStore(folder)) as store:
        store.save(step, variables, {**store.metadata(), "step": step, **about})
