"""SIGTERM and Ctrl-C: noted when they come, acted on between two steps; a second one ends."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_WATCHED = (signal.SIGTERM, signal.SIGINT)
# What starts programs may send one stop twice: to the process, and to its group.
_ONE_STOP_S = 0.2


def end_at_second_signal() -> None:
    """End this process at once at a second Ctrl-C or SIGTERM, with status 128 + the signal.

    A thread waits for it: Python's own handlers do not run until compiled code comes back.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if (before := signal.set_wakeup_fd(-1)) != -1:  # it is so already
        signal.set_wakeup_fd(before)
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    os.register_at_fork(after_in_child=_forget_signals)
    threading.Thread(target=_count_signals, args=(reading,), daemon=True).start()


def _interrupt_once(*_: object) -> None:
    """Raise KeyboardInterrupt for the first Ctrl-C alone; the thread acts on a second one."""
    signal.signal(signal.SIGINT, _pass_over)
    raise KeyboardInterrupt


def _pass_over(*_: object) -> None:
    """Do nothing, unlike SIG_IGN where the thread would not see the signal either."""


def _forget_signals() -> None:
    """In a child, whose signals are not this process's, let them do what they do by default."""
    signal.set_wakeup_fd(-1)
    if signal.getsignal(signal.SIGINT) in (_interrupt_once, _pass_over):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _count_signals(reading: int) -> None:
    first = None
    while True:
        (number,) = os.read(reading, 1)
        if number not in _WATCHED:
            continue
        first = first or time.monotonic()
        if time.monotonic() - first > _ONE_STOP_S:
            os._exit(128 + number)


def end_interrupted(message: str = "") -> NoReturn:
    """End after a Ctrl-C, with status 130 and no traceback, whatever other threads still do."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the same one may come twice
    if message:
        print(message, file=sys.stderr, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(128 + signal.SIGINT)


class Interrupted(Exception):  # noqa: N818  it is a request, not a fault
    """The run was asked to stop; it has saved its state if it has a checkpoint.

    Attributes:
      signal_number: what was received; a program ends with status 128 + this.
      step: the step after which it stopped.
    """

    def __init__(self, signal_number: int, *, step: int, is_saved: bool = True) -> None:
        self.signal_number = signal_number
        self.step = step
        name = signal.Signals(signal_number).name
        what = f"saved at step {step}" if is_saved else f"stopped at step {step}, nothing is saved"
        super().__init__(f"{name} received; {what}.")


class SignalWatch:
    """Notes the first SIGTERM or Ctrl-C inside a `with` block; a later one acts as usual.

    Python delivers signals to the main thread alone, so in another thread nothing is watched.

    Attributes:
      received: the signal's number; None until one comes.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}
        self._first = 0.0
        self._raises = False

    def __enter__(self) -> "SignalWatch":
        """Begin to watch."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to whoever handled them before."""
        self._restore()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise KeyboardInterrupt in the block at once, also for a signal noted before it."""
        self._raises = True
        try:
            if self.received is not None:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received, self._first = number, time.monotonic()
            if self._raises:
                raise KeyboardInterrupt
        elif time.monotonic() - self._first > _ONE_STOP_S:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
