"""Reading in a process of its own, for a library that damaged files can crash.

The HDF5 library is written in C and trusts the file: single wrong bytes were seen to end the
process or to keep it busy for ever. So it opens files in a child process with a time limit, which
sends the arrays over a pipe, in NumPy's format.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from jaxcnn.pretrained.formats.errors import WeightsFileError

# A sound file of a few MB takes half a second, on a busy machine ten times that.
BASE_SECONDS = 60.0
BYTES_PER_SECOND = 5e6
REFUSED = 3  # exit status where standard output is the message of a WeightsFileError
# The bare package in place of jaxcnn.pretrained spares the child its import of JAX, which takes
# longer than the reading.
CHILD = f"""
import json, pathlib, sys, types
sys.path[:] = json.loads(sys.argv[1])
bare = sys.modules["jaxcnn.pretrained"] = types.ModuleType("jaxcnn.pretrained")
bare.__path__ = [sys.argv[2]]
import numpy as np
from jaxcnn.pretrained.formats import errors, keras_file
path = pathlib.Path(sys.argv[3])
try:
    with errors.reading(path, "Keras"):
        arrays = keras_file.read_in_this_process(path)
except errors.WeightsFileError as error:
    sys.stdout.buffer.write(str(error).encode())
    sys.exit({REFUSED})
np.savez(sys.stdout.buffer, *arrays.values(), names=np.array(list(arrays)))
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
    if done.returncode == REFUSED:
        raise WeightsFileError(done.stdout.decode())
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise _damaged(path, f"could not be read ({' '.join(said)[:300]})")
    sent = np.load(io.BytesIO(done.stdout))
    return {str(name): sent[f"arr_{index}"] for index, name in enumerate(sent["names"])}


def _damaged(path: Path, what: str) -> WeightsFileError:
    return WeightsFileError(
        f"{path}: {what}; it is damaged or made to do harm. It was open in a separate process, "
        "which has ended. Fetch it again."
    )
