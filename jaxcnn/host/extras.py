"""Packages: their versions, and what to install where one that a feature needs is missing."""

import importlib.util
from collections.abc import Iterable
from importlib import metadata

import jaxcnn


class MissingExtraError(ValueError):
    """A feature cannot be used because a package is not installed; the message says what to do."""


EXTRAS = {  # their packages, as in pyproject.toml, but for those that hold published weights
    "export": "flatbuffers",
    "fast": "cykooz-resizer simplejpeg",
    "heic": "pillow-heif",
    "onnx": "einops equinox onnx onnx-ir onnxruntime",
    "pretrained": "h5py safetensors",
    "privacy": "dp-accounting",
    "serve": "flask waitress",
    "tensorflow": "tensorflow",
}


def install(extra: str) -> str:
    """Give the command that installs an extra's packages, in a clone of the repository too.

    Example:
      >>> install("serve")
      'pip install flask waitress'
    """
    return f"pip install {EXTRAS[extra]}"


def require(feature: str, *modules: str, extra: str) -> None:
    """Refuse a feature whose packages are not installed; nothing of them is imported.

    Args:
      feature: what needs them, as the message names it.
      *modules: the top-level modules that it imports.
      extra: the extra of this package that brings them.

    Raises:
      MissingExtraError: if one is missing.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{feature} needs {' and '.join(missing)}, which {verb} not installed; "
            f"run {install(extra)}."
        )


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the version of each installed package; of this one also in a checkout.

    Args:
      packages: names as pip knows them.

    Returns:
      {name: version}.
    """
    own = {"jaxcnn": jaxcnn.__version__}
    return {name: own.get(name) or metadata.version(name) for name in packages}
