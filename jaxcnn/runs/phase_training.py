"""What one phase of a run trains with, handed to `fit`: network, data, optimizer, options."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import optax

from jaxcnn.augment import make_augment
from jaxcnn.augment.policy import Augment, parse_policy
from jaxcnn.data import batches
from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.data.label_sets import class_counts
from jaxcnn.data.random_crops import CropRange, RandomCrops
from jaxcnn.data.workers import usable_cores
from jaxcnn.losses import LossFn
from jaxcnn.models import HEAD, split_at_head
from jaxcnn.runs import build
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.features_cache import split_features
from jaxcnn.runs.phases import Phase
from jaxcnn.runs.teaching import with_answers
from jaxcnn.training import features
from jaxcnn.training.compilation import CompiledStep
from jaxcnn.training.inputs import SplitInput
from jaxcnn.types import PyTree


class Training(NamedTuple):
    """What a phase's training takes, named as `fit` and `make_train_step` name it."""

    model: Any
    train: ImageSplit
    validation: ImageSplit
    starts: list[PyTree]  # the variables that each network starts from
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule  # step of the phase to learning rate
    loss_fn: LossFn
    options: dict[str, Any]
    eval_step: CompiledStep | None = None  # None for one that is made of the rest
    # From trained variables to the whole network's.
    export: Callable[[PyTree], PyTree] = lambda variables: variables


def prepare_phase(
    run: RunContext, phase: Phase, starts: Sequence[PyTree], *, injected: Collection[str] = ()
) -> Training:
    """Build what a phase trains with, and compute the features that it trains on, if any.

    Args:
      run: what it shares with the other phases.
      phase: the phase.
      starts: the whole network's variables, for each network that trains.
      injected: hyper-parameters that are to be arrays in the optimizer's state.

    Returns:
      The parts of the training.
    """
    data, batch_size = run.data, run.config.training.batch_size
    parts = build.build_parts(
        run.config,
        phase,
        class_counts=class_counts(data.train.labels, len(data.class_names)).tolist(),
        num_examples=len(data.train),
        steps_per_epoch=batches.steps_per_epoch(len(data.train), batch_size),
        injected=injected,
    )
    train, options = data.train, parts.options
    if run.config.crops_photos and not phase.on_features:
        train, options["augment"] = _crops_of_photos(run.config, data.train)
    training = Training(
        model=parts.model,
        train=train,
        validation=data.validation,
        starts=list(starts),
        optimizer=parts.optimizer,
        schedule=parts.schedule,
        loss_fn=parts.loss_fn,
        options={**options, "metrics": run.metrics},
    )
    if not phase.on_features:
        whole = run.evaluator.compile(SplitInput(data.validation), run.shapes)
        teacher = run.teacher
        if teacher and run.config.training.teacher_views:
            teacher = with_answers(run, teacher, options["augment"])
        taught = {} if teacher is None else {"teacher": teacher}
        return training._replace(eval_step=whole, options={**training.options, **taught})
    # Only the last layer, on cached features.
    (variables,) = starts
    split = run.shared_features or functools.partial(
        split_features, run, parts.model, parts.options["augment"]
    )
    on_photos = ("augment", "mixing", "preprocessing", "frozen")
    options = {name: value for name, value in training.options.items() if name not in on_photos}
    placed = run.layout.put_state(variables)

    def export(trained: PyTree) -> PyTree:
        params = {**placed["params"], **trained["params"]}
        return {"params": params, "batch_stats": placed["batch_stats"]}

    return training._replace(
        model=split_at_head(parts.model)[1],
        train=split("train", data.train, variables, num_augmented=True),
        validation=split("validation", data.validation, variables),
        starts=[{"params": {HEAD: variables["params"][HEAD]}, "batch_stats": {}}],
        options={**options, "prepare": features.pick_view, "views": features.all_views},
        export=export,
    )


def _crops_of_photos(config: TrainConfig, split: ImageSplit) -> tuple[RandomCrops, Augment]:
    """Make the split of random crops that the settings ask for, and the rest of augmentation."""
    policy, training = parse_policy(config.training.augment), config.training_preprocessing
    crops = RandomCrops(
        split,
        training.decoding,
        CropRange(policy.pop("zoom"), policy.pop("aspect", 1.0)),
        num_threads=config.data.num_workers or usable_cores(),
        max_bad_share=config.data.max_bad_share,
    )
    rest = ",".join(f"{name}={amount}" for name, amount in policy.items())
    return crops, make_augment(rest or "none", image_size_px=config.data.image_size_px)
