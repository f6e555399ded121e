"""What the user sees during a run: one moving line, and one line per epoch that stays."""

import dataclasses
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from jaxcnn.host.text import duration

_HEARTBEAT_SECONDS = 30.0  # between lines where the output is a file and nothing can move


@dataclasses.dataclass(kw_only=True, eq=False)
class ProgressLine:
    """Shows how training goes: loss, accuracy, images per second, waiting for data, time left.

    Attributes:
      num_epochs: epochs of the whole run.
      steps_per_epoch: steps of each.
      batch_size: examples of each step.
      stream: where the moving line goes; the lines that stay go to standard output.
      visible: False shows nothing at all.
      phase: name of the phase of training, shown before each epoch.
    """

    num_epochs: int
    steps_per_epoch: int
    batch_size: int
    stream: TextIO = dataclasses.field(default_factory=lambda: sys.stderr)
    visible: bool = True
    phase: str = ""

    def __post_init__(self) -> None:
        self._prefix = f"{self.phase} " if self.phase else ""
        self._bar: tqdm | None = None
        self._steps_timed = 0
        self._seconds_timed = 0.0
        self._last_heartbeat = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line that stays, without tearing the moving one."""
        if self.visible:
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()

    def start_epoch(self, epoch: int, *, step_in_epoch: int = 0) -> None:
        """Begin the moving line of an epoch, counted from 0, at a step within it."""
        self._bar = tqdm(
            total=self.steps_per_epoch,
            initial=step_in_epoch,
            desc=f"{self._prefix}epoch {epoch + 1}/{self.num_epochs}",
            bar_format="{desc} |{bar:20}| {n_fmt}/{total_fmt}{postfix}",
            file=self.stream,
            leave=False,
            disable=not (self.visible and self.stream.isatty()),
        )

    def update(
        self,
        *,
        loss: float,
        accuracy: float,
        step: int,
        seconds: float,
        wait_share: float,
        num_steps: int = 1,
    ) -> None:
        """Move on by one step, or by some that were made at once.

        Args:
          loss: mean loss of the epoch so far, in nats.
          accuracy: share of the epoch's examples classified rightly so far.
          step: steps of the whole run done so far.
          seconds: duration of this step, or of all of them.
          wait_share: share of the epoch's time spent waiting for data.
          num_steps: how many steps were made.
        """
        self._steps_timed += num_steps
        self._seconds_timed += seconds
        text = (
            f" loss {loss:.3f}  accuracy {accuracy:.1%}  {self.images_per_second():.0f} img/s"
            f"  waiting for data {wait_share:.0%}  {duration(self._left(step))} left"
        )
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(num_steps)
        self._heartbeat(step, text)

    def end_epoch(self, row: dict[str, Any], *, is_best: bool) -> None:
        """Close the moving line and print the epoch's result."""
        self.close()
        self.say(
            f"{self._prefix}epoch {row['epoch']:>3}/{self.num_epochs}"
            f"  train loss {row['train_loss']:.3f} accuracy {row['train_accuracy']:6.1%}"
            f"  validation loss {row['validation_loss']:.3f}"
            f" accuracy {row['validation_accuracy']:6.1%}{' *' if is_best else '  '}"
            f"  {row['images_per_second']:.0f} img/s"
            f"  {duration(self._left(row['step']))} left"
        )

    def close(self) -> None:
        """Take the moving line off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def images_per_second(self) -> float:
        """Give the training throughput measured so far, the compilation left out."""
        if not self._seconds_timed:
            return 0.0
        return self._steps_timed * self.batch_size / self._seconds_timed

    def _left(self, step: int) -> float:
        remaining = self.num_epochs * self.steps_per_epoch - step
        speed = self.images_per_second()
        return remaining * self.batch_size / speed if speed else 0.0

    def _heartbeat(self, step: int, text: str) -> None:
        """Print a line now and then where the stream is a file."""
        now = time.monotonic()
        if self.stream.isatty() or now - self._last_heartbeat < _HEARTBEAT_SECONDS:
            return
        self._last_heartbeat = now
        self.say(f"  {self._prefix}step {step}/{self.num_epochs * self.steps_per_epoch} {text}")
