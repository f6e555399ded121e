"""Keras files: `.h5` of a model or its weights, `.weights.h5` and `.keras`.

All give the names `layer/variable`, with the names of enclosing models before them, so that the
same network has the same names from each. What a file does not tell:

- `.weights.h5` from before Keras wrote layer names into it: the layer is called by its group, which
  is the class and a count, in the order of the model (conv2d, conv2d_1, ...).
- Numbered variables of classes that `keras_layers` does not list, and, without the configuration,
  of a normalization that lacks a scale or an offset, stay numbers: `layer/0`, `layer/1`.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.host.extras import require
from jaxcnn.pretrained.formats.archive import is_archive, open_archive, read_member
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.hdf5 import (
    MAX_LEVELS,
    Hdf5File,
    is_group,
    open_hdf5,
    text,
    text_list,
)
from jaxcnn.pretrained.formats.keras_layers import (
    Layer,
    layer_of_group,
    parse_config,
    variable_names,
)
from jaxcnn.pretrained.formats.subprocess_reader import read_in_subprocess

# Groups that hold layers under their groups' names; they are no layers themselves.
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
# State of training and of random draws, which are no weights.
NOT_WEIGHTS = re.compile(r"(optimizer|metrics|compile_metrics|.*seed_generator(_\d+)?)")


def read_keras_file(path: Path) -> dict[str, np.ndarray]:
    """Read the weights of a Keras file as `layer/variable`.

    The file is opened in a child process, because damaged HDF5 files can crash the HDF5 library.

    Args:
      path: a `.h5`, `.weights.h5` or `.keras` file.

    Returns:
      Arrays by name. Where the file tells a layer's class, the kernel of a depthwise convolution
      is called "depthwise_kernel", as it was before Keras 3.

    Raises:
      WeightsFileError: if the file is damaged, is no Keras file, or links to other files.

    Source: keras/src/saving/saving_lib.py and keras/src/legacy/saving/legacy_h5_format.py of
    Keras 3; deviations: optimizer and random state are left out, models in several shards are
    not read.
    """
    require("a Keras file", "h5py", extra="pretrained")
    return read_in_subprocess(path)


def read_in_this_process(path: Path) -> dict[str, np.ndarray]:
    """Read a Keras file as `read_keras_file` does, where a crash of the HDF5 library is bearable.

    Args:
      path: the file.

    Returns:
      Arrays by name.
    """
    if is_archive(path):
        return _read_archive(path)
    with open_hdf5(path, path) as file:
        return _read_hdf5(file, path, None)


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    with open_archive(path) as archive:
        config = parse_config(read_member(archive, "config.json"))
        stream = io.BytesIO(read_member(archive, "model.weights.h5"))
        with open_hdf5(stream, path) as file:
            return _read_hdf5(file, path, config)


def _read_hdf5(file: Hdf5File, path: Path, config: Layer | None) -> dict[str, np.ndarray]:
    top = file.children(file.root)
    if "layer_names" in file.root.attrs or "layer_names0" in file.root.attrs:
        weights = _read_by_attributes(file, file.root, config)
    elif "model_weights" in top:
        if "model_config" in file.root.attrs:
            config = parse_config(text(file.root.attrs["model_config"]))
        weights = _read_by_attributes(file, top["model_weights"], config)
    else:
        weights = dict(_read_numbered(file, file.root, config or Layer(), "", 0))
    if not weights:
        raise WeightsFileError(
            f"{path}: an HDF5 file without Keras weights; its groups are "
            f"{', '.join(map(repr, list(top)[:8])) or '(none)'}."
        )
    return weights


def _read_by_attributes(file: Hdf5File, group: Any, config: Layer | None) -> dict[str, np.ndarray]:
    classes = _classes(config) if config else {}
    weights: dict[str, np.ndarray] = {}
    names = [*text_list(group, "layer_names"), "top_level_model_weights"]
    for layer in names:
        if layer == "top_level_model_weights" and layer not in file.children(group):
            continue
        layer_group = file.find(group, layer)
        for stored in text_list(layer_group, "weight_names"):
            name = _flat_name("" if layer == "top_level_model_weights" else layer, stored)
            name = _depthwise(name, classes)
            if name in weights:
                raise ValueError(f"two weights are called {name!r}")
            weights[name] = file.array(file.find(layer_group, stored))
    return weights


def _flat_name(layer: str, stored: str) -> str:
    # "conv1/kernel:0", "conv1_2/kernel:0", "sequential/conv1/kernel" and "conv1_W" are variables of
    # conv1; "conv/kernel" in a group "block" is a variable of conv inside the model block.
    parts = re.sub(r":\d+$", "", stored).split("/")
    if layer in parts:
        parts = parts[parts.index(layer) + 1 :]
    elif re.fullmatch(rf"{re.escape(layer)}_\d+", parts[0]):
        parts = parts[1:]
    elif len(parts) == 1:
        parts = [parts[0].removeprefix(f"{layer}_")]
    return "/".join([*([layer] if layer else []), *parts])


def _classes(config: Layer) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in config.parts.values():
        found |= {part.name: part.class_name, **_classes(part)}
    return found


def _depthwise(name: str, classes: dict[str, str]) -> str:
    layer, _, variable = name.rpartition("/")
    is_depthwise = classes.get(layer.rpartition("/")[2], "").startswith("DepthwiseConv")
    return f"{layer}/depthwise_kernel" if is_depthwise and variable == "kernel" else name


def _read_numbered(
    file: Hdf5File, group: Any, layer: Layer, prefix: str, level: int
) -> Iterator[tuple[str, np.ndarray]]:
    if level > MAX_LEVELS:
        raise ValueError(f"its groups nest deeper than {MAX_LEVELS}")
    members = {n: m for n, m in file.children(group).items() if not NOT_WEIGHTS.fullmatch(n)}
    if "vars" in members and is_group(members["vars"]):
        yield from _variables(file, members.pop("vars"), layer, prefix)
    for container in CONTAINERS:
        if container in members and is_group(members[container]):
            inner = file.children(members.pop(container))
            yield from _read_layers(file, inner, layer.parts, prefix, level)
    yield from _read_layers(file, members, {}, prefix, level)


def _variables(
    file: Hdf5File, group: Any, layer: Layer, prefix: str
) -> Iterator[tuple[str, np.ndarray]]:
    stored = file.children(group)
    order = sorted(stored, key=int)
    for number, name in zip(order, variable_names(layer, len(order)), strict=True):
        yield f"{prefix}{name}", file.array(stored[number])


def _read_layers(
    file: Hdf5File, groups: dict[str, Any], known: dict[str, Layer], prefix: str, level: int
) -> Iterator[tuple[str, np.ndarray]]:
    groups = {name: group for name, group in groups.items() if is_group(group)}
    in_order = [name for name in known if name in groups]
    in_order += [name for name in groups if name not in known and not NOT_WEIGHTS.fullmatch(name)]
    labels = {name: _label(file, groups[name], name, known) for name in in_order}
    for name in in_order:
        # Two parts of one layer may bear one name; their groups distinguish them.
        unique = list(labels.values()).count(labels[name]) == 1
        inner = f"{prefix}{labels[name] if unique else name}/"
        layer = layer_of_group(name, known.get(name))
        yield from _read_numbered(file, groups[name], layer, inner, level + 1)


def _label(file: Hdf5File, group: Any, name: str, known: dict[str, Layer]) -> str:
    variables = file.children(group).get("vars")
    if variables is not None and "name" in variables.attrs:
        return text(variables.attrs["name"])
    return known[name].name or name if name in known else name
