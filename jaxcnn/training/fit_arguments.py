"""What `fit` is given, read and checked before anything is compiled."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.data.array_split import ExampleSplit
from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.compilation_cache import options_for_few_calls
from jaxcnn.host.names import unknown_name
from jaxcnn.training.callbacks import Callback
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointError
from jaxcnn.training.epoch_scan import EPOCH_SCANS
from jaxcnn.training.history import Progress
from jaxcnn.training.inputs import Input, SplitInput, iter_once, load_named, open_input
from jaxcnn.training.members import MEMBERS_MODES
from jaxcnn.training.progressive_resizing import check_sizes, resized_shape
from jaxcnn.training.sharding import Layout
from jaxcnn.types import PyTree


def check_options(
    optimizer: Any,
    callbacks: Any,
    *,
    num_epochs: int,
    epoch_scan: str,
    members_mode: str,
    **sizes: int,
) -> None:
    """Raise for what would fail late or silently."""
    if not isinstance(optimizer, optax.GradientTransformation):
        raise TypeError(
            "optimizer must be an Optax transformation such as optax.adam(0.001), got "
            f"{optimizer!r}."
        )
    is_list = isinstance(callbacks, Sequence)
    if not is_list or not all(isinstance(callback, Callback) for callback in callbacks):
        raise TypeError(f"callbacks must be a list of Callback objects, got {callbacks!r}.")
    if sum(isinstance(callback, Checkpoint) for callback in callbacks) > 1:
        raise ValueError("callbacks hold two Checkpoints; give one, with all that it is to do.")
    for name, value in {"num_epochs": num_epochs, **sizes}.items():
        least = 0 if name == "num_epochs" else 1
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    for name, word, known in (
        ("epoch_scan", epoch_scan, EPOCH_SCANS),
        ("members_mode", members_mode, MEMBERS_MODES),
    ):
        if word not in known:
            raise unknown_name(name, word, known)


def constant_or(rate: Any) -> Any:
    """Give a learning rate as a function of the step."""
    return rate if rate is None or callable(rate) else lambda step: rate


def check_frozen(frozen: Container[str], params: Mapping[str, Any]) -> None:
    """Raise for a name that is not among the parameters."""
    names = frozen if isinstance(frozen, Iterable) else ()
    if isinstance(frozen, str):
        raise TypeError(f"frozen must be a list of names, got {frozen!r}.")
    if unknown := [name for name in names if name not in params]:
        raise ValueError(f"frozen names {unknown}; the parameters' names are {[*params]}.")


def next_phase(after: Progress | None, num_members: int) -> Progress:
    """Give the progress that a phase begins with.

    Raises:
      ValueError: if the earlier phase trained another number of networks.
    """
    progress = after.next_phase() if after else Progress.of(num_members)
    if len(progress.members) != num_members:
        raise ValueError(
            f"after is of {len(progress.members)} networks; num_members is {num_members}."
        )
    return progress


def check_phase(found: Progress, new: Progress, after: Any) -> None:
    """Raise where checkpoints are those of an earlier phase."""
    if after is not None and found.first_step != new.first_step:
        raise CheckpointError(
            f"the checkpoints are of a phase that began at step {found.first_step}, this begins "
            f"at step {new.first_step}; give each phase a Checkpoint with its own folder."
        )


def open_inputs(
    train: Any,
    validation: Any,
    preprocessing: Preprocessing | None,
    num_epochs: int,
    repeated_augmentation: int,
    sampler: str = "none",
) -> tuple[Input, Input | None]:
    """Open the training and the validation data; a name brings its own validation split."""
    if num_epochs > 1 and iter_once(train):
        raise ValueError(
            f"train is an iterator, which can be read once, and num_epochs is {num_epochs}; give "
            "data that can be read again for each epoch, such as a list or a loader."
        )
    if isinstance(train, str):
        train, found = load_named(train, preprocessing)
        validation = found if validation is None else validation
    if validation is not None:
        if iter_once(validation):
            raise ValueError(
                "validation must be data that can be read after each epoch, such as a list or a "
                "loader, and not an iterator."
            )
        validation = open_input(validation, preprocessing)
    train_input = open_input(train, preprocessing)
    if repeated_augmentation != 1:
        if not isinstance(train_input, SplitInput):
            raise ValueError(
                f"repeated_augmentation (={repeated_augmentation}) needs data with random access; "
                "leave it at 1, or let your loader repeat."
            )
        train_input = SplitInput(train_input.split, repeated_augmentation)
    if sampler != "none":
        if not isinstance(train_input, SplitInput) or isinstance(train_input.split, ExampleSplit):
            raise ValueError(
                f"sampler (={sampler}) needs to know all labels before training; give arrays or "
                "photos, leave it at none, or let your loader sample."
            )
        train_input = SplitInput(train_input.split, train_input.repeats, sampler)
    return train_input, validation


def check_same_kind(image: Any, trained: Any) -> None:
    """Raise for floating-point images where training had uint8 ones, or the other way round."""
    if (image.dtype == np.uint8) != (trained.dtype == np.uint8):
        raise ValueError(
            f"these images are {image.dtype}, those of training {trained.dtype}; give the same: "
            "uint8 is scaled and normalised, floating point is taken as it is."
        )


def check_progressive(
    shares: Mapping[int, float], data: Input, network: Any, inputs: jax.ShapeDtypeStruct
) -> None:
    """Raise for sizes that do not increase, or that the network has other weights for."""
    if not shares:
        return
    if not isinstance(data, SplitInput) or len(inputs.shape) != 4:
        raise ValueError(
            "progressive_resizing needs images (H, W, C) with random access, whose epochs have a "
            "known number of steps; leave it out."
        )
    check_sizes(shares, min(inputs.shape[1:3]))

    def variables(size_px: int | None) -> PyTree:
        shape = inputs.shape if size_px is None else resized_shape(inputs.shape, size_px)
        images = jax.ShapeDtypeStruct((1, *shape[1:]), inputs.dtype)
        return jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)

    if wrong := [size_px for size_px in shares if variables(size_px) != variables(None)]:
        raise ValueError(
            "the network has weights for each pixel of an image, so progressive_resizing cannot "
            f"train it at {wrong[0]} px; leave that out, or end the network's convolutions with "
            "the mean over pixels."
        )


def make_layout(mesh: str | Layout, batch_size: int, num_members: int) -> Layout:
    """Lay out the devices; several networks share one device."""
    if num_members > 1 and mesh == "auto":
        mesh = "data:1"
    layout = mesh if isinstance(mesh, Layout) else Layout.make(mesh, batch_size=batch_size)
    if num_members > 1 and not layout.is_single:
        raise ValueError(f"mesh is {mesh}, but num_members above 1 uses one device; leave it out.")
    return layout


def seeds_and_keys(
    key: int | jax.Array, num_members: int
) -> tuple[list[int], list[jax.Array], list[jax.Array]]:
    """Give each network's seed of the data order, its initialisation key and its run key."""
    numbers = range(num_members)
    if isinstance(key, (int, np.integer)):
        seeds = [int(key) + number for number in numbers]
        roots = [jax.random.key(seed) for seed in seeds]
    else:
        is_new_style = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        key = key if is_new_style else jax.random.wrap_key_data(key)
        roots = [key if not number else jax.random.fold_in(key, number) for number in numbers]
        seeds = [int(jax.random.bits(root, dtype=jnp.uint32)) for root in roots]
    pairs = [jax.random.split(root) for root in roots]
    return seeds, [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def first_variables(
    variables: Any, network: Any, images: jax.ShapeDtypeStruct, keys: Sequence[jax.Array]
) -> list[PyTree]:
    """Take the variables to start from, or draw them."""
    if variables is not None:
        given = [variables] if isinstance(variables, Mapping) else list(variables)
        if not all(isinstance(each, Mapping) and "params" in each for each in given):
            raise ValueError(
                'variables must be {"params": ..., "batch_stats": ...}, as `result.best.variables`.'
            )
        if len(given) != len(keys):
            raise ValueError(
                f"variables must be those of each of {len(keys)} networks, got {len(given)}."
            )
        # Copies, since the step takes over the memory of what it is given.
        return [jax.tree.map(jnp.copy, each) for each in given]
    zeros = jnp.zeros(images.shape, images.dtype)
    init = jax.jit(  # compiled once for all
        lambda key: network.init(key, zeros, train=False), compiler_options=options_for_few_calls()
    )
    return [init(key) for key in keys]
