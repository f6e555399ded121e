"""Readers of published weight files: each gives a flat {name: array} and runs none of the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxcnn.pretrained.formats.detect import detect_format
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.keras_file import read_keras_file
from jaxcnn.pretrained.formats.npz_file import read_npz_file
from jaxcnn.pretrained.formats.safetensors_file import read_safetensors_file
from jaxcnn.pretrained.formats.saved_model import read_saved_model
from jaxcnn.pretrained.formats.torch_file import read_torch_file

__all__ = [
    "WeightsFileError",
    "detect_format",
    "read_keras_file",
    "read_npz_file",
    "read_safetensors_file",
    "read_saved_model",
    "read_torch_file",
    "read_weights",
]

READERS: dict[str, Callable[[Path | str], dict[str, np.ndarray]]] = {
    "torch": read_torch_file,
    "safetensors": read_safetensors_file,
    "keras": read_keras_file,
    "npz": read_npz_file,
    "saved_model": read_saved_model,
}


def read_weights(path: Path | str) -> dict[str, np.ndarray]:
    """Read a published weights file, whatever its format, running none of its content.

    The format is recognised by what the file holds, not by its name.

    Args:
      path: a PyTorch, safetensors, Keras or NumPy file, a SavedModel folder, or a TensorFlow
        checkpoint.

    Returns:
      Arrays by name, named and laid out as the file has them.

    Raises:
      WeightsFileError: if the file is absent, empty, damaged, of no known format, or asks for
        anything beyond its arrays.
    """
    path = Path(path)
    return READERS[detect_format(path)](path)
