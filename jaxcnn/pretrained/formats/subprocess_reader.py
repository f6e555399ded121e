"""Reading in a process of its own, for a library that damaged files can crash.

The HDF5 library is written in C and trusts the file: single wrong bytes were seen to end the
process or to keep it busy for ever. So it opens files in a child process with a time limit; what
comes back over a pipe is a list of names, dtypes and shapes, then the raw numbers.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from jaxcnn.pretrained.formats.errors import WeightsFileError

BASE_SECONDS = (
    60.0  # a sound file of a few MB takes half a second, on a busy machine ten times that
)
BYTES_PER_SECOND = 5e6
# The bare package in place of jaxcnn.pretrained spares the child its import of JAX, which takes
# longer than the reading.
CHILD = """
import json, sys, types
sys.path[:] = json.loads(sys.argv[1])
bare = sys.modules["jaxcnn.pretrained"] = types.ModuleType("jaxcnn.pretrained")
bare.__path__ = [sys.argv[2]]
from jaxcnn.pretrained.formats.keras_file import send
send(sys.argv[3])
"""


def read_in_subprocess(path: Path) -> dict[str, np.ndarray]:
    """Read a Keras file in a child process.

    Args:
      path: the file.

    Returns:
      Arrays by name.

    Raises:
      WeightsFileError: what the child found wrong, or that it crashed or took too long.
    """
    seconds = BASE_SECONDS + path.stat().st_size / BYTES_PER_SECOND
    places = [json.dumps([str(place) for place in sys.path]), str(Path(__file__).parents[1])]
    command = [sys.executable, "-c", CHILD, *places, str(path)]
    # Compression plug-ins are libraries that a file can ask for by number: none is loaded.
    environment = {**os.environ, "HDF5_PLUGIN_PRELOAD": "::"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _damaged(path, f"kept the HDF5 library busy for over {seconds:.0f} s") from error
    if done.returncode < 0:
        raise _damaged(path, f"made the HDF5 library crash with signal {-done.returncode}")
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise _damaged(path, f"could not be read ({' '.join(said)[:300]})")
    return _unpack(path, done.stdout)


def _damaged(path: Path, what: str) -> WeightsFileError:
    return WeightsFileError(
        f"{path}: {what}; it is damaged or made to do harm. It was open in a separate process, "
        "which has ended. Fetch it again."
    )


def send_arrays(read: Callable[[], dict[str, np.ndarray]], stream: BinaryIO) -> None:
    """Write what a reader gives, or the error that it raises, for `read_in_subprocess`.

    Args:
      read: gives arrays by name.
      stream: goes to the parent process.
    """
    try:
        arrays = read()
    except WeightsFileError as error:
        stream.write(json.dumps({"error": str(error)}).encode() + b"\n")
        return
    listed = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    stream.write(json.dumps({"arrays": listed}).encode() + b"\n")
    for array in arrays.values():
        stream.write(array.tobytes())


def _unpack(path: Path, sent: bytes) -> dict[str, np.ndarray]:
    line, _, data = sent.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if "error" in header:
        raise WeightsFileError(header["error"])
    arrays, start = {}, 0
    for name, dtype, shape in header["arrays"]:
        count = math.prod(shape)
        flat = np.frombuffer(data, dtype, count, start) if count else np.zeros(0, dtype)
        # Copied into this machine's byte order, so that `data` is let go.
        arrays[name] = flat.reshape(shape).astype(flat.dtype.newbyteorder("="))
        start += flat.nbytes
    if start != len(data):
        raise _damaged(path, f"gave {len(data)} bytes of arrays, announced {start}")
    return arrays
