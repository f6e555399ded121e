"""A worker's side of the talk: get ready, run for a time when told, say how far it came.

The program writes lines to the worker's standard input, `run SECONDS` or `stop`; the worker answers
each with one line of JSON. First it says "ready" by itself. Standard library alone.
"""

import importlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO


class Unavailable(Exception):  # noqa: N818 - nothing went wrong, it is only not there
    """A contestant cannot take part here; the message says why."""


def process_peak_bytes() -> int:
    """Read the most memory that this process had resident so far."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Task(NamedTuple):
    """What a worker does over and over.

    Attributes:
      facts: what to tell about it beforehand, as JSON values.
      step: does one piece of work to its end, and returns how many images that were; without it,
        the facts are all there is.
      peak_bytes: gives the most memory that the device held so far.
      warm_up: how many steps go before each turn that do not count.
    """

    facts: dict[str, Any]
    step: Callable[[], int] = lambda: 0
    peak_bytes: Callable[[], int] = process_peak_bytes
    warm_up: int = 1


def serve(module: str) -> None:
    """Make the task that the first argument describes and do as standard input says.

    Args:
      module: full name of the one whose `make_task` takes the description and gives the task; it
        may raise `Unavailable`.
    """
    channel = _take_stdout()
    try:
        task = importlib.import_module(module).make_task(json.loads(sys.argv[1]))
        for _ in range(task.warm_up):
            task.step()
        _say(channel, event="ready", **task.facts)
        for line in sys.stdin:
            word, _, seconds = line.strip().partition(" ")
            if word != "run":
                break
            _say(channel, event="turn", **_run(task, float(seconds)))
        _say(channel, event="done", peak_bytes=task.peak_bytes())
    except (Unavailable, ImportError) as reason:
        _say(channel, event="unavailable", reason=first_line(reason))
    except Exception as error:  # noqa: BLE001 - whatever it is, the others' race goes on
        traceback.print_exc()
        _say(channel, event="failed", reason=f"{type(error).__name__}: {first_line(error)}")


def _take_stdout() -> TextIO:
    """Keep standard output for the talk; what libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def _say(channel: TextIO, **message: Any) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


def _run(task: Task, seconds: float) -> dict[str, Any]:
    """Do steps for about so long, at least one."""
    for _ in range(task.warm_up):  # others had the caches, and the threads have slept
        task.step()
    images = steps = 0
    busy = _others_busy_seconds()
    started = time.perf_counter()
    elapsed = 0.0
    while not steps or elapsed < seconds:
        images += task.step()
        steps += 1
        elapsed = time.perf_counter() - started
    others = max(_others_busy_seconds() - busy, 0.0) / elapsed
    return {"images": images, "steps": steps, "seconds": elapsed, "other_cores": others}


def _others_busy_seconds() -> float:
    """Add up the time that all cores worked for other processes since the machine started."""
    counters = Path("/proc/stat")
    if not counters.exists():
        return 0.0
    user, nice, system, _, _, *interrupts_and_stolen = map(
        int, counters.read_text().splitlines()[0].split()[1:9]
    )
    ticks = user + nice + system + sum(interrupts_and_stolen)
    own = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") - own.user - own.system


def first_line(error: BaseException) -> str:
    r"""Give the first line of an error's message, shortened.

    Example:
      >>> first_line(ValueError("no such thing\nfor many reasons"))
      'no such thing'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
