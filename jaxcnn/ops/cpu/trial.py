"""Trials of what may crash or hang: in a process of their own, their findings kept in the cache."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jaxlib

from jaxcnn.host.files import read_json, write_json
from jaxcnn.host.folders import cache_folder

_FAILED = 3  # exit status of a trial that ended with a wrong result or an error of XLA
# Others, such as SIGKILL and SIGTERM, come from outside and say nothing of what is tried.
_CRASHES = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"}
_PROGRAM = """
import json, sys, traceback
from {module} import {function}
try:
    found = {function}(*{arguments!r})
except Exception:
    traceback.print_exc()
    sys.exit({failed})
print()
print(json.dumps(found))
"""


class TrialFailed(Exception):  # noqa: N818  # an outcome
    """What was tried raised an error, crashed or hung."""


def kept(
    folder: str, about: str, find: Callable[[], dict[str, Any] | None], *keys: str
) -> dict[str, Any] | None:
    """Read a finding from the cache folder; find it and keep it where there is none.

    Args:
      folder: of findings of a kind, in the cache folder.
      about: what the finding is of, beside this version of jaxlib.
      find: makes the finding, an object of JSON; None is not kept.
      *keys: what a finding has to hold; a damaged one is found again.

    Returns:
      The finding.
    """
    path = cache_folder() / folder / f"jaxlib-{jaxlib.__version__}-{about}.json"
    with contextlib.suppress(OSError, ValueError):
        return read_json(path, *keys)
    found = find()
    if found is not None:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, found)
    return found


def in_another_process(
    function: str, *arguments: str, seconds: float, environment: Mapping[str, str]
) -> Any:
    """Call a function in a process of its own, on the CPU, without a compilation cache.

    Args:
      function: its module, ":" and its name.
      *arguments: what it is called with.
      seconds: time limit.
      environment: variables that are set beside this process's own.

    Returns:
      What it returned, as JSON.

    Raises:
      TrialFailed: if it raised an error or crashed.
      TimeoutError: if it did not end in time.
      OSError: if it could not start, or was killed.
    """
    module, _, name = function.partition(":")
    code = _PROGRAM.format(module=module, function=name, arguments=arguments, failed=_FAILED)
    variables = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    for unwanted in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):
        variables.pop(unwanted, None)
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{function} did not end within {seconds:g} s.") from error
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    crashes = [-number for number in signal.Signals if number.name in _CRASHES]
    if done.returncode in (_FAILED, *crashes):
        raise TrialFailed(f"{function} failed (exit status {done.returncode}).")
    raise OSError(f"{function} was killed (exit status {done.returncode}).")
