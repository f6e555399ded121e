"""Readers of published weight files: each gives a flat {name: array} and runs none of the file.

`detect` tells the format. PyTorch's is read by `torch_file`: `torch_pickle` opens its pickle with
`torch_stand_ins`, and `torch_entries` finds the weights in it. Keras' is read by `keras_file`, with
`hdf5`, `keras_layers` and, since HDF5 may crash, `subprocess_reader`; the others by
`safetensors_file`, `npz_file` and `saved_model`. `groups` takes a part of a file, `archive` opens
zip archives, `raw_numbers` decodes bytes, `errors` has the one error of them all.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxcnn.host.names import unknown_name
from jaxcnn.pretrained.formats.detect import detect_format
from jaxcnn.pretrained.formats.errors import WeightsFileError, reading
from jaxcnn.pretrained.formats.groups import behind, groups_of
from jaxcnn.pretrained.formats.keras_file import read_keras_file
from jaxcnn.pretrained.formats.npz_file import read_npz_file
from jaxcnn.pretrained.formats.safetensors_file import read_safetensors_file
from jaxcnn.pretrained.formats.saved_model import read_saved_model
from jaxcnn.pretrained.formats.torch_file import read_torch_file

__all__ = ["WeightsFileError", "read_weights"]

READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "safetensors": read_safetensors_file,
    "Keras": read_keras_file,
    "NumPy .npz": read_npz_file,
    "TensorFlow checkpoint": read_saved_model,
}


def read_weights(path: Path | str, *, key: str | None = None) -> dict[str, np.ndarray]:
    """Read a published weights file, whatever its format, running none of its content.

    The format is recognised by what the file holds, not by its name.

    Args:
      path: a PyTorch, safetensors, Keras or NumPy file, a SavedModel folder, or a TensorFlow
        checkpoint.
      key: which part of the file to read: of a PyTorch file the entry that holds the weights, such
        as "state_dict_ema"; of any file what stands before the names to take. None reads all, and
        of several entries the one that `torch_entries.find_state_dict` prefers.

    Returns:
      Arrays by name, named and laid out as the file has them.

    Raises:
      WeightsFileError: if the file is absent, empty, damaged, of no known format, has nothing of
        that key, or asks for anything beyond its arrays.

    Example:
      >>> np.savez("weights.npz", kernel=np.ones((3, 3, 16, 32)))
      >>> read_weights("weights.npz")["kernel"].shape
      (3, 3, 16, 32)
    """
    path = Path(path)
    format_name = detect_format(path)
    with reading(path, format_name):
        if format_name == "PyTorch":
            return read_torch_file(path, key)
        arrays = READERS[format_name](path)
    if key is None:
        return arrays
    if not (taken := behind(key, arrays)):
        known = groups_of(arrays)
        raise WeightsFileError(str(unknown_name(f"weights_key of {path}", key, known)))
    return taken
