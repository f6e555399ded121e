"""The program's side of the talk: start a worker, tell it to run, bound its time, end it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

_ROOT = Path(__file__).resolve().parents[2]
# The folder of these programs comes last, so that another environment's packages are its own.
_START = (
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); "
    "from experiments.benchmarks.serving import serve; serve(sys.argv.pop(1))"
)
_END_SECONDS = 20.0  # to end by itself once told to


class WorkerError(RuntimeError):
    """A worker cannot take part, or died; the message says why."""


class Worker(contextlib.AbstractContextManager):
    """A process that does one task when told to.

    Args:
      module: full name of the module whose `make_task` makes the task.
      spec: describes the task, as JSON values.
      python: the interpreter, maybe of another environment.
      environment: variables to add to this process's.
      limit_seconds: how long getting ready may take, and a turn beyond its own time.
    """

    def __init__(
        self,
        module: str,
        spec: Mapping[str, Any],
        *,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        limit_seconds: float = 900.0,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        try:
            self._process = subprocess.Popen(
                [python, "-c", _START, str(_ROOT), module, json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **(environment or {})},
                text=True,
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as error:
            self._errors.close()
            raise WorkerError(f"cannot start {python}: {error.strerror}") from None
        self._stdin = cast(IO[str], self._process.stdin)
        self._stdout = cast(IO[str], self._process.stdout)

    def ready(self) -> dict[str, Any]:
        """Wait until it is ready.

        Returns:
          The facts that it tells.

        Raises:
          WorkerError: if it cannot take part, dies or takes too long; likewise below.
        """
        started = time.perf_counter()
        facts = self._answer("ready", self._limit_seconds)
        return {**facts, "start_seconds": time.perf_counter() - started}

    def run(self, seconds: float) -> dict[str, Any]:
        """Let it run for about so long.

        Returns:
          "images" and "seconds", and of steps their number and how many cores worked for others.
        """
        self._tell(f"run {seconds}")
        return self._answer("turn", seconds + self._limit_seconds)

    def stop(self) -> dict[str, Any]:
        """Tell it to end.

        Returns:
          "peak_bytes".
        """
        self._tell("stop")
        return self._answer("done", self._limit_seconds)

    def close(self, *_: object) -> None:
        """End the process and its children, whatever they do."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._errors.close()
        self._stdout.close()
        with contextlib.suppress(OSError):
            self._stdin.close()

    __exit__ = close

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # it died; the reading side says of what
            self._stdin.write(line + "\n")
            self._stdin.flush()

    def _answer(self, event: str, limit_seconds: float) -> dict[str, Any]:
        # It writes one line per question, so none waits in a buffer unseen.
        if not select.select([self._stdout], [], [], limit_seconds)[0]:
            raise WorkerError(f"gave no answer within {limit_seconds:g} s")
        line = self._stdout.readline()
        if not line:
            raise WorkerError(self._cause_of_death())
        message = json.loads(line)
        if message.pop("event") != event:
            raise WorkerError(message.get("reason", f"answered {line.strip()!r}"))
        return message

    def _cause_of_death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        status = self._process.returncode
        if status == -signal.SIGKILL:
            return "was killed (SIGKILL), perhaps for want of memory"
        if status is not None and status < 0:
            return f"died of {signal.Signals(-status).name}"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"ended with status {status}: {said[-1][:200] if said else 'no message'}"
