"""Parts of a stage in processes of their own, which say each result as they have it.

A part is a module with `results(spec)`, a generator of results. The child writes each as one line
of JSON; what libraries print goes to standard error. A child that outlives its limit is killed with
its children, and what it said until then stays.
"""

import contextlib
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

Result = dict[str, Any]  # see `results`

_ROOT = Path(__file__).resolve().parents[2]
# So that children share a GPU: JAX would take three quarters of its memory for each.
# Unbuffered, so that what a part prints and what its end says come in turn.
_ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONUNBUFFERED": "1"}


class Part(NamedTuple):
    """What a child is to do.

    Attributes:
      name: for people.
      module: full name of the one with `results`.
      spec: what that takes, as JSON values.
      environment: variables to add to this process's.
    """

    name: str
    module: str
    spec: Mapping[str, Any]
    environment: Mapping[str, str] = {}


def run(parts: Sequence[Part], *, deadline: float) -> Generator[Result, None, None]:
    """Run parts side by side and yield what they say, as it comes.

    Closing the generator kills what still runs.

    Args:
      parts: each becomes a process.
      deadline: of `time.monotonic`, when all are killed.

    Yields:
      Results. A part that dies or is killed gives one more, which has not passed, with a "note".
    """
    with contextlib.ExitStack() as stack:
        said: queue.Queue[tuple[int, str | None]] = queue.Queue()
        running = {i: stack.enter_context(_Child(part, i, said)) for i, part in enumerate(parts)}
        while running:
            left = deadline - time.monotonic()
            try:
                number, line = said.get(timeout=max(left, 0.0))
            except queue.Empty:
                for child in running.values():
                    yield child.problem("was stopped at the stage's time limit", passed=None)
                return
            if line is not None:
                yield json.loads(line)
                continue
            child = running.pop(number)
            if cause := child.cause_of_death():
                yield child.problem(cause, passed=False)


class _Child(contextlib.AbstractContextManager):
    """One process; its lines go to a queue, and None when it has ended."""

    def __init__(self, part: Part, number: int, said: queue.Queue[tuple[int, str | None]]) -> None:
        self._part = part
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, part.module, json.dumps(part.spec)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**_ENVIRONMENT, **os.environ, **part.environment},
            cwd=_ROOT,
            text=True,
            start_new_session=True,  # so that its children can be ended with it
        )
        self._listener = threading.Thread(target=self._listen, args=(number, said), daemon=True)
        self._listener.start()

    def _listen(self, number: int, said: queue.Queue[tuple[int, str | None]]) -> None:
        for line in self._process.stdout or ():
            said.put((number, line))
        said.put((number, None))

    def problem(self, note: str, *, passed: bool | None) -> Result:
        return {"name": self._part.name, "passed": passed, "note": note}

    def cause_of_death(self) -> str:
        status = self._process.wait()
        if not status:
            return ""
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace").strip().splitlines()
        last = next((line for line in reversed(words) if line.strip()), "no message")
        how = f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
        return f"{how}: {last.strip()[:300]}"

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        self._errors.close()
        if self._process.stdout:
            self._process.stdout.close()


def _main(module: str, spec: str) -> None:
    channel = _take_stdout()
    for result in importlib.import_module(module).results(json.loads(spec)):
        channel.write(json.dumps(result) + "\n")
        channel.flush()


def _take_stdout() -> IO[str]:
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


if __name__ == "__main__":
    _main(*sys.argv[1:])
