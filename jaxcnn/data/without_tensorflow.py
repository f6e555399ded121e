"""What tfds asks of TensorFlow while it writes an image set, done with Pillow and the os.

tfds reads prepared sets without TensorFlow, but almost every stock builder opens its downloads with
`tf.io.gfile` and encodes its arrays with `tf.image.encode_png`. On local files these are `open`,
`os.listdir` and Pillow. `without_tensorflow()` puts such stand-ins where tfds keeps its own lazy
`tf`, for the time of one preparation; the module `tensorflow` is neither imported nor faked.
Whatever else a builder asks of TensorFlow raises `NeedsTensorFlowError`, which names it.
"""

import contextlib
import functools
import glob
import io
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
from PIL import Image

from jaxcnn.data.encode import encode_image
from jaxcnn.data.tfds_internals import NeedsTensorFlowError, lazy_tensorflow

_JPEG_QUALITY = 95  # default of tf.io.encode_jpeg, which also halves the chroma
_SHUFFLE_FILES = 1000  # open files in which tfds sorts a split over 1 GB

_swap_lock = threading.Lock()


class EagerArray(np.ndarray):
    """An array that, as an eager tensor does, also answers to `numpy()`."""

    def numpy(self) -> np.ndarray:
        """Return the plain array."""
        return np.asarray(self)


class EagerBytes(bytes):
    """Bytes that, as an eager string tensor does, also answer to `numpy()`."""

    def numpy(self) -> bytes:
        """Return the plain bytes."""
        return bytes(self)


class Namespace:
    """Attributes given by name; any other raises `NeedsTensorFlowError`.

    Args:
      path: dotted name for the message, e.g. "tf.io".
      **members: the attributes.

    Example:
      >>> Namespace("tf.io", answer=42).answer
      42
      >>> Namespace("tf.io").TFRecordWriter
      Traceback (most recent call last):
      jaxcnn.data.tfds_internals.NeedsTensorFlowError: tf.io.TFRecordWriter needs TensorFlow.
    """

    def __init__(self, path: str, **members: Any) -> None:
        self._path = path
        vars(self).update(members)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy, pickle and inspect look for it, not a builder
            raise AttributeError(name)
        raise NeedsTensorFlowError(f"{self._path}.{name} needs TensorFlow.")


def open_file(name: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    """Open a local file as `tf.io.gfile.GFile` would: text is UTF-8 whatever the locale.

    Args:
      name: path of the file.
      mode: as of `open`.

    Returns:
      The open file.
    """
    return open(name, mode, encoding=None if "b" in mode else "utf-8")


def list_matches(pattern: str | os.PathLike[str] | list[str]) -> list[str]:
    """List the paths that match one shell pattern or any of several, sorted.

    Args:
      pattern: as of `glob.glob`, or a list of such.

    Returns:
      The matching paths.
    """
    patterns = pattern if isinstance(pattern, list) else [os.fspath(pattern)]
    return sorted(path for one in patterns for path in glob.glob(one))


def encode_png(image: np.ndarray) -> EagerBytes:
    """Encode an image losslessly.

    Args:
      image: (H, W, C) uint8 of 1 to 4 channels, or (H, W, 1) uint16.

    Returns:
      The bytes of a PNG file.

    Raises:
      NeedsTensorFlowError: if Pillow cannot write such an image.
    """
    return _encode(image, "PNG", channels=(1, 2, 3, 4))


def encode_jpeg(image: np.ndarray) -> EagerBytes:
    """Encode an image as `tf.io.encode_jpeg` does by default: quality 95, halved chroma.

    Args:
      image: (H, W, C) uint8 of 1 or 3 channels.

    Returns:
      The bytes of a JPEG file.

    Raises:
      NeedsTensorFlowError: if Pillow cannot write such an image.
    """
    return _encode(image, "JPEG", channels=(1, 3), quality=_JPEG_QUALITY, subsampling="4:2:0")


def _encode(
    image: np.ndarray, file_format: str, *, channels: tuple[int, ...], **options: Any
) -> EagerBytes:
    image = np.asarray(image)
    deep = image.dtype == np.uint16 and file_format == "PNG" and image.shape[-1] == 1
    if image.ndim != 3 or image.shape[-1] not in channels or not (deep or image.dtype == np.uint8):
        raise NeedsTensorFlowError(f"{file_format} of {image.dtype}{image.shape} needs TensorFlow.")
    return EagerBytes(encode_image(np.ascontiguousarray(image), file_format, **options))


def decode_image(contents: bytes, channels: int = 0) -> EagerArray:
    """Decode a BMP, JPEG or PNG file as `tf.image.decode_image` does.

    Args:
      contents: the bytes of the file.
      channels: 0 for those of the file, 1 for grey, 3 for RGB, 4 for RGBA.

    Returns:
      (H, W, C) uint8.

    Raises:
      NeedsTensorFlowError: if `channels` is another number, or the file is an animation.
    """
    modes = {0: None, 1: "L", 3: "RGB", 4: "RGBA"}
    with Image.open(io.BytesIO(contents)) as image:
        if channels not in modes or getattr(image, "is_animated", False):
            raise NeedsTensorFlowError(f"{image.format} with {channels} channels needs TensorFlow.")
        own = image.mode if image.mode in ("L", "LA", "RGB", "RGBA") else "RGB"
        pixels = np.asarray(image.convert(modes[channels] or own))
    return (pixels[..., None] if pixels.ndim == 2 else pixels).view(EagerArray)


def _as_text(text: str | bytes, encoding: str = "utf-8") -> str:
    return text.decode(encoding) if isinstance(text, bytes) else text


def _as_bytes(text: str | bytes, encoding: str = "utf-8") -> bytes:
    return text if isinstance(text, bytes) else text.encode(encoding)


def _unless_there(act: Callable[[str, str], object]) -> Callable[..., None]:
    """Make what copies or moves a file refuse to overwrite another, unless `overwrite` is given."""

    def act_once(src: str, dst: str, overwrite: bool = False) -> None:
        if os.path.exists(dst) and not overwrite:
            raise FileExistsError(f"{dst} exists; pass overwrite=True.")
        act(src, dst)

    return act_once


GFILE = Namespace(
    "tf.io.gfile",
    GFile=open_file,
    copy=_unless_there(shutil.copyfile),
    exists=os.path.exists,
    glob=list_matches,
    isdir=os.path.isdir,
    join=os.path.join,
    listdir=os.listdir,
    makedirs=functools.partial(os.makedirs, exist_ok=True),
    mkdir=os.mkdir,
    remove=os.remove,
    rename=_unless_there(os.replace),
    rmtree=shutil.rmtree,
    walk=os.walk,
)
_CODERS = {"decode_image": decode_image, "encode_jpeg": encode_jpeg, "encode_png": encode_png}
STAND_IN = Namespace(
    "tf",
    io=Namespace("tf.io", gfile=GFILE, **_CODERS),
    image=Namespace("tf.image", **_CODERS),
    compat=Namespace("tf.compat", as_bytes=_as_bytes, as_str=_as_text, as_text=_as_text),
    # Only named in `except` clauses; what the stand-ins raise is the ordinary OSError.
    errors=Namespace(
        "tf.errors",
        NotFoundError=FileNotFoundError,
        ResourceExhaustedError=NeedsTensorFlowError,
        UnimplementedError=NotImplementedError,
    ),
    executing_eagerly=lambda: True,
    shape=np.shape,
)


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """Let the imported modules of tfds use the stand-ins instead of TensorFlow.

    For one thread at a time; others wait.

    Yields:
      Nothing; on exit every module has its own `tf` back.
    """
    lazy = lazy_tensorflow()
    with _swap_lock:
        modules = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("tensorflow_datasets.") and vars(module).get("tf") is lazy
        ]
        restore_limit = _raise_open_files_limit()
        for module in modules:
            module.__dict__["tf"] = STAND_IN
        try:
            yield
        finally:
            for module in modules:
                module.__dict__["tf"] = lazy
            restore_limit()


def _raise_open_files_limit() -> Callable[[], None]:
    try:
        import resource
    except ImportError:  # not on Windows
        return lambda: None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft + _SHUFFLE_FILES
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or raised <= soft:
        return lambda: None
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
