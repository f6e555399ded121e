"""Draw in processes of their own: in threads, small operations wait for Python's lock."""

import contextlib
import os
import queue
import subprocess
import sys

import numpy as np

from jaxcnn.data.drawn_pets.drawing import draw_pet


class Drawers:
    """Processes that draw one picture at a time for whichever thread asks.

    A process that cannot be started or has ended is done without: the thread draws by itself, and
    the picture is the same. They are `python -m jaxcnn.data.drawn_pets`, so that the user's script
    is not run again, and they end with their standard input, so also where this process is killed.

    Args:
      num_processes: how many.
      seed: of the data set.
      size_px: height and width of the pictures.

    Attributes:
      processes: those that were started.
    """

    def __init__(self, num_processes: int, seed: int, size_px: int) -> None:
        self._seed, self._size_px = seed, size_px
        self.processes: list[subprocess.Popen[bytes]] = []
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        paths = os.pathsep.join(filter(None, sys.path))
        with contextlib.suppress(OSError):
            for _ in range(num_processes):
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", __package__, str(seed), str(size_px)],
                    env=dict(os.environ, PYTHONPATH=paths),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # a Ctrl-C reaches them too
                )
                self.processes.append(process)
                self._idle.put(process)

    def draw(self, index: int) -> np.ndarray:
        """Draw picture `index`: (size_px, size_px, 3) uint8."""
        with contextlib.suppress(queue.Empty, OSError):
            process = self._idle.get_nowait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"%d\n" % index)
            process.stdin.flush()
            shape = self._size_px, self._size_px, 3
            drawn = process.stdout.read(self._size_px * self._size_px * 3)
            if len(drawn) == self._size_px * self._size_px * 3:
                self._idle.put(process)
                return np.frombuffer(drawn, np.uint8).reshape(shape)
        return draw_pet(self._seed, index, self._size_px)[0]

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            with contextlib.suppress(OSError), process:  # closes its pipes, and waits
                process.kill()
