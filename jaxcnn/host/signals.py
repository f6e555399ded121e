"""SIGTERM and Ctrl-C: noted when they come, acted on between two steps."""

import signal
import threading
from types import FrameType

_WATCHED = (signal.SIGTERM, signal.SIGINT)


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
    """Notes the first SIGTERM or Ctrl-C inside a `with` block; a second one acts as usual.

    Python delivers signals to the main thread alone, so in another thread nothing is watched.

    Attributes:
      received: the signal's number; None until one comes.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "SignalWatch":
        """Begin to watch."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to whoever handled them before."""
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous = {}
