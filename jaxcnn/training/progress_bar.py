"""What the user sees during a run: one moving line, and one line per epoch that stays."""

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from tqdm import tqdm

from jaxcnn.host.processes import is_first
from jaxcnn.host.text import counted, duration
from jaxcnn.training.callbacks import Callback, View

_HEARTBEAT_SECONDS = 30.0  # between lines where the output is a file and nothing can move


class ProgressBar(Callback):
    """Shows how training goes: loss, metrics, images per second, waiting for data, time left.

    Args:
      stream: where the moving line goes, by default standard error; the lines that stay go to
        standard output.

    Example:
      >>> callbacks = [ProgressBar()]  # for `fit`
    """

    def __init__(self, *, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._bar: tqdm | None = None
        self._step = 0
        self._area_timed = 0.0
        self._seconds_timed = 0.0
        self._last_text = time.monotonic()

    def on_train_begin(self, view: View) -> None:
        """Begin the moving line of the first epoch."""
        self._step = view.step
        if is_first() and view.epoch < view.num_epochs:
            self._start_epoch(view, view.progress.step_in_epoch)

    def on_step_end(self, view: View) -> None:
        """Move on."""
        first, self._step = self._step, view.step
        self._area_timed += view.area_of_steps(first, view.step)
        self._seconds_timed += view.step_seconds
        now = time.monotonic()
        if self._bar is None:
            return
        if not self._bar.disable:
            if now - self._last_text > self._bar.mininterval:
                self._last_text = now
                self._bar.set_postfix_str(f" {self._in_words(view)}", refresh=False)
            self._bar.update(view.step - first)
        elif now - self._last_text > _HEARTBEAT_SECONDS:  # nothing can move in a file
            self._last_text = now
            total = f"/{view.num_epochs * view.steps_per_epoch}" if view.steps_per_epoch else ""
            _say(f"  {_prefix(view)}step {view.step}{total}  {self._in_words(view)}")

    def on_epoch_end(self, view: View) -> None:
        """Replace the moving line by one that stays, and begin the next."""
        if self._bar is None:
            return
        self._bar.close()
        row = view.history[-1]
        parts = [f"{_prefix(view)}epoch {row['epoch']:3d}/{view.num_epochs}"]
        for split in ("train", "validation"):
            if found := _of_split(row, split, view.measures):
                parts.append(f"{split} {' '.join(_numbers(found, '6.1%'))}")
        parts[-1] += " *" if view.is_best else "  "
        parts += [f"{row['images_per_second']:.0f} img/s", self._left(view)]
        _say("  ".join(parts))
        if view.epoch < view.num_epochs:
            self._start_epoch(view, 0)

    def on_train_end(self, view: View) -> None:
        """Take the moving line off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _start_epoch(self, view: View, step_in_epoch: int) -> None:
        stream = self._stream or sys.stderr
        self._bar = tqdm(
            total=view.steps_per_epoch,
            initial=step_in_epoch,
            desc=f"{_prefix(view)}epoch {view.epoch + 1}/{view.num_epochs}",
            bar_format="{desc} |{bar:20}| {n_fmt}/{total_fmt}{postfix}",
            file=stream,
            leave=False,
            disable=not stream.isatty(),
        )

    def _left(self, view: View) -> str:
        if view.steps_per_epoch is None or not self._area_timed:
            return f"{counted(view.num_epochs - view.epoch, 'epoch')} left"
        epochs = view.num_epochs - view.epoch
        steps = epochs * view.steps_per_epoch - view.progress.step_in_epoch
        area = view.area_of_steps(view.step, view.step + max(0, steps))
        return f"{duration(area / self._area_timed * self._seconds_timed)} left"

    def _in_words(self, view: View) -> str:
        parts = [*_numbers(view.metrics, ".1%"), f"{view.images_per_second:.0f} img/s"]
        return "  ".join([*parts, f"waiting for data {view.wait_share:.0%}", self._left(view)])


def _say(text: str) -> None:
    """Print a line that stays, without tearing the moving one."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def _prefix(view: View) -> str:
    return f"{view.phase} " if view.phase else ""


def _of_split(row: Mapping[str, Any], split: str, names: Any) -> dict[str, Any]:
    found = {name: row.get(f"{split}_{name}") for name in ("loss", *names)}
    return {name: value for name, value in found.items() if value is not None}


def _numbers(metrics: Mapping[str, Any], accuracy_format: str) -> list[str]:
    """Write each metric that is one number: the loss in nats, accuracy in per cent."""
    return [
        f"{name} {value:{accuracy_format if name == 'accuracy' else '.3f'}}"
        for name, value in metrics.items()
        if isinstance(value, (int, float))
    ]
