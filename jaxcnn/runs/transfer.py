"""Transfer: a run that starts from the weights of another training; its last layer may be new."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import pretrained
from jaxcnn.host.text import counted
from jaxcnn.models import HEAD, StagedNetwork
from jaxcnn.runs.best_checkpoint import checkpoint_folder, load_best
from jaxcnn.runs.config import MODEL_OPTIONS, TrainConfig
from jaxcnn.runs.config.presets import (
    PHOTO_CHANNELS,
    num_channels_of,
    preset_of_preprocessing,
    preset_of_weights,
)
from jaxcnn.runs.config.train_config import SPLIT_SETTINGS, starts_from_weights
from jaxcnn.runs.seen_photos import SeenPhotos, load_seen
from jaxcnn.training.checkpoints import CheckpointError
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


class Start(NamedTuple):
    """What a run starts from."""

    variables: (
        PyTree  # {"params": ..., "batch_stats": ...}, the old head among them if there is one
    )
    preset: Mapping[str, Any]  # settings that suit them
    name: str
    seen: SeenPhotos  # in the training that they come from
    class_names: tuple[str, ...] = ()  # of its last layer; () where it can be of no use
    head: str = "softmax"  # what that layer is for


def find_start(config: TrainConfig) -> Start | None:
    """Load the weights that the settings name.

    Args:
      config: settings, some of them None.

    Returns:
      The weights and the settings that suit them; None where the run starts from nothing.

    Raises:
      ValueError: if they cannot be had, read, or used for the network that is named.
    """
    if not starts_from_weights(config):
        return None
    if config.network.init_from:
        return _from_run(config.network.init_from, config)
    model = config.network.model or (
        "efficientnet_lite0" if config.network.weights is None else None
    )
    found = pretrained.load(
        config.network.weights or pretrained.default_weights(model or "").name,
        model=model,
        weights_key=config.network.weights_key,
    )
    own_channels = found.preprocessing.decoding.num_channels
    num_channels = num_channels_of(config, weights_channels=own_channels)
    kept = {name: v for name, v in found.options.items() if name not in found.head_options}
    preset = preset_of_weights(
        found._replace(options=kept),  # the last layer is a new one
        image_size_px=config.data.image_size_px,
        num_channels=num_channels,
        model_options=config.network.model_options or "",
    )
    classes = counted(len(found.class_names), "class", "classes")
    logger.info(f"weights: {found.name}, {classes if found.class_names else 'no last layer'}")
    _tell_of_channels(found.name, own_channels, num_channels)
    return Start(found.variables, preset, found.name, SeenPhotos(unknown=(found.name,)))


def _from_run(workdir: str, config: TrainConfig) -> Start:
    try:
        there, variables, class_names = load_best(Path(workdir))
    except CheckpointError as error:
        raise ValueError(f"init_from: {error}") from error
    if config.network.model not in (None, there.network.model):
        raise ValueError(
            f"init_from: {workdir} holds a {there.network.model}, but model={config.network.model}."
        )
    names = ("model", *(name for name in MODEL_OPTIONS if name != "freeze_batch_norm"))
    size_px, num_channels = config.data.image_size_px, config.data.num_channels
    _tell_of_channels(workdir, there.data.num_channels, num_channels or there.data.num_channels)
    preset = {name: there.flat()[name] for name in names}
    preset |= preset_of_preprocessing(there.preprocessing, size_px, num_channels)
    given = (there.network.model_options, config.network.model_options)
    preset["model_options"] = ",".join(filter(None, given))
    preset = {k: v for k, v in preset.items() if v is not None}
    preset["split_method"] = there.data.split_method
    seen = load_seen(checkpoint_folder(Path(workdir)), workdir)
    seen = seen._replace(split=split_settings_of(there))
    return Start(variables, preset, workdir, seen, tuple(class_names), there.head)


def _tell_of_channels(name: str, there: int, here: int) -> None:
    """Say how the kernels of one number of channels serve another, or that they cannot."""
    if there not in PHOTO_CHANNELS:
        raise ValueError(
            f"{name} takes images of {there} channels; a photo has 1 or 3. Start from other "
            "weights."
        )
    if there != here:
        how = "summed over their 3 channels" if here == 1 else "a third for each of 3 channels"
        logger.info(f"first kernels of {name}: {how}")


def split_settings_of(config: TrainConfig) -> str:
    """Write the settings by which a run splits its photos, as in "split_seed=0"."""
    split = {name: config.flat()[name] for name in SPLIT_SETTINGS}
    return ", ".join(f"{name}={value}" for name, value in split.items() if value != "")


def transfer_variables(
    variables: PyTree,
    model: StagedNetwork,
    image_shape: tuple[int, int, int],
    *,
    key: jax.Array,
    head_init: str = "zero",
    keep_head: bool = False,
) -> PyTree:
    """Put trained variables into a network with a new head, or with the one they have.

    First kernels that see red, green and blue, or grey, are adapted to another number of channels.

    Args:
      variables: {"params": ..., "batch_stats": ...} of the same network with any head.
      model: the network to be trained.
      image_shape: (H, W, C) of its images.
      key: decides a scaled head, and parts that `variables` lack.
      head_init: how a new head starts: "zero", or "scaled" for a normal kernel of variance
        1 / inputs.
      keep_head: whether the head, too, comes from `variables`.

    Returns:
      The network's variables.

    Raises:
      ValueError: if an array is missing, left over or of another shape.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    shapes = {"params": shapes["params"], "batch_stats": shapes.get("batch_stats", {})}
    # Auxiliary heads have a "head" of their own, which depends on the classes as well.
    old = {path: leaf for path, leaf in _leaves(variables) if keep_head or HEAD not in path}
    leaves, missing = [], []
    for path, wanted in _leaves(shapes):
        if HEAD in path and not keep_head:
            leaves.append(_head_leaf(path[-1], wanted.shape, key, head_init))
            continue
        leaf = old.pop(path, None)
        if leaf is not None and leaf.shape != wanted.shape:
            leaf = _adapt_channels(np.asarray(leaf), wanted.shape)
        if leaf is None:
            missing.append(f"{'/'.join(path)} {wanted.shape}")
        leaves.append(leaf)
    if missing or old:
        left = ["/".join(path) for path in old]
        raise ValueError(
            f"the weights are not those of this network: {len(missing)} missing or of another "
            f"shape ({', '.join(missing[:4])}), {len(left)} left over ({', '.join(left[:4])}). "
            "Use the settings of the network that they were trained with."
        )
    tree = jax.tree.structure(shapes)
    return jax.tree.map(jnp.asarray, jax.tree.unflatten(tree, leaves))


def _leaves(tree: PyTree) -> list[tuple[tuple[str, ...], Any]]:
    found = jax.tree.leaves_with_path(tree)
    return [(tuple(str(key.key) for key in path), leaf) for path, leaf in found]


def _head_leaf(
    word: str, shape: tuple[int, ...], key: jax.Array, head_init: str
) -> np.ndarray | jax.Array:
    if head_init == "zero" or word == "bias":
        return np.zeros(shape, np.float32)
    return jax.random.normal(key, shape) * shape[0] ** -0.5


def _adapt_channels(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Spread the kernels of grey, or of red, green and blue, over another number of channels.

    One channel gets their sum, as grey is equal in all three; more get them in turn, scaled to keep
    the sum of a constant image, as timm does. None where the kernels differ in more than that.
    """
    if kernel.ndim != 4 or (*kernel.shape[:2], kernel.shape[3]) != (*shape[:2], *shape[3:]):
        return None
    own, count = kernel.shape[2], shape[2]
    if own not in PHOTO_CHANNELS:
        return None
    if count == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(count) % own] * np.float32(own / count)
