"""Where a run of training stands: its epochs so far, the sums of the one under way, its times."""

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxcnn.metrics.metric import GatheredMetric, Metric, Outputs, plain

Row: TypeAlias = dict[str, Any]  # one epoch: JSON values by name
Rank = Callable[[Mapping[str, Any]], tuple[float, ...]]


@dataclasses.dataclass
class Member:
    """One network's part of the progress.

    Attributes:
      totals: sums over the examples of the epoch under way, by metric, see `metrics.add_sums`.
      history: a row for each finished epoch.
      best_step: the step of the best row; 0 before the first epoch ends.
    """

    totals: dict[str, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    history: list[Row] = dataclasses.field(default_factory=list)
    best_step: int = 0

    def end_epoch(self, row: Row, rank: Rank) -> bool:
        """Append the row of the finished epoch; tell whether it is the best so far."""
        is_best = all(rank(row) > rank(other) for other in self.history)
        self.history.append(row)
        self.best_step = row["step"] if is_best else self.best_step
        self.totals = {}
        return is_best


@dataclasses.dataclass
class Progress:
    """Where a run stands, beside its arrays: JSON values, saved in each checkpoint.

    Attributes:
      step: steps done.
      epoch: the epoch under way, counted from 0.
      step_in_epoch: steps of it done.
      train_seconds: time spent in training, over all starts of the run, validation left out.
      stop_reason: why a callback ended the run; "" where none did.
      first_epoch: the epoch that the phase under way began with.
      first_step: the steps done before that phase.
      members: one network's progress, or each of those that train side by side.
    """

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    train_seconds: float = 0.0
    stop_reason: str = ""
    first_epoch: int = 0
    first_step: int = 0
    members: list[Member] = dataclasses.field(default_factory=lambda: [Member()])

    @classmethod
    def of(cls, num_members: int) -> "Progress":
        """Begin with a number of networks."""
        return cls(members=[Member() for _ in range(num_members)])

    @property
    def history(self) -> list[Row]:
        """A row for each finished epoch; of several networks the mean of their rows."""
        if len(self.members) == 1:
            return self.members[0].history
        return mean_history([member.history for member in self.members])

    @property
    def best_step(self) -> int:
        """The step of the best row; of several networks that of the first."""
        return self.members[0].best_step

    def next_phase(self) -> "Progress":
        """Start a phase of training after this one: the history and the best so far stay."""
        own = copy.deepcopy(self)  # the result of this phase stays as it is
        return dataclasses.replace(
            own, stop_reason="", first_epoch=self.epoch, first_step=self.step
        )

    def to_json(self) -> dict[str, Any]:
        """Write as JSON values; floats keep every bit."""
        value = dataclasses.asdict(self)
        for member in value["members"]:
            member["totals"] = {
                name: {part: np.asarray(x).tolist() for part, x in sums.items()}
                for name, sums in member["totals"].items()
            }
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Progress":
        """Read what `to_json` wrote."""
        members = [Member(**member) for member in value["members"]]
        for member in members:
            member.totals = {
                name: {part: np.asarray(x) for part, x in sums.items()}
                for name, sums in member.totals.items()
            }
        return cls(**{**value, "members": members})


class Clock:
    """Times the steps of one epoch."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds = 0.0
        self._images = 0
        self.waited_seconds = 0.0

    def tick(self, images: int) -> float:
        """Count the images of a step that ended now, and give its seconds."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._seconds += seconds
        self._images += images
        return seconds

    def images_per_second(self) -> float:
        """Give the throughput so far."""
        return self._images / self._seconds if self._seconds else 0.0

    def wait_share(self) -> float:
        """Give the share of the time that was spent waiting for data."""
        return min(1.0, self.waited_seconds / self._seconds) if self._seconds else 0.0


def make_rank(best: str, known: Iterable[str], *, argument: str = "best") -> Rank:
    """Make the function by which epochs are compared: the higher its result, the better.

    Args:
      best: a metric's name if higher is better, "-" before it if lower is, such as "-loss". Of
        equal epochs the one with the lower loss wins.
      known: names of the metrics that there are.
      argument: what `best` is called in errors.

    Returns:
      A function from a row to what can be compared. It reads the validation split where the row has
      it, else the training split; NaN is below all.

    Raises:
      ValueError: if the name is unknown, or is "loss", of which more is not better.

    Example:
      >>> rank = make_rank("accuracy", ["accuracy"])
      >>> better = rank({"validation_accuracy": 0.9, "validation_loss": 0.2})
      >>> better > rank({"validation_accuracy": 0.9, "validation_loss": 0.3})
      True
    """
    name, sign = best.removeprefix("-"), -1.0 if best.startswith("-") else 1.0
    names = ["loss", *known]
    if name not in names or best == "loss":
        choices = ", ".join(["-loss", *names[1:]])  # without the split's name before them
        raise ValueError(f"{argument} must be one of the metrics ({choices}), got {best!r}.")

    def value(row: Mapping[str, Any], name: str) -> float:
        found = row.get(f"validation_{name}", row.get(f"train_{name}"))
        if isinstance(found, (list, tuple)):
            raise TypeError(f"{argument}={best} needs one number per epoch, got {found!r}.")
        return math.nan if found is None else float(found)

    def rank(row: Mapping[str, Any]) -> tuple[float, ...]:
        order = (sign * value(row, name), -value(row, "loss"))
        return tuple(-math.inf if math.isnan(x) else x for x in order)

    return rank


def check_best(
    best: str,
    metrics: Mapping[str, Any],
    outputs: Outputs | None = None,
    *,
    argument: str = "best",
) -> None:
    """Check that `best` is a known metric with one number.

    Args:
      best: as `make_rank` takes.
      metrics: by name.
      outputs: the shapes of a batch's outputs; None for those of a thousand classes.
      argument: what `best` is called in errors.

    Raises:
      ValueError: if the metric is unknown, or gives a number per class.
    """
    make_rank(best, metrics, argument=argument)
    metric = metrics.get(best.removeprefix("-"))
    if metric is not None and np.ndim(_try_out(metric, outputs)) > 0:
        raise ValueError(
            f"{argument} must be a metric that is one number, but {best} gives one per class."
        )


def _try_out(metric: Metric | GatheredMetric, outputs: Outputs | None) -> Any:
    """Compute a metric of a made-up batch; of gathered answers to a real one it is unknown."""
    if isinstance(metric, GatheredMetric):
        is_known = outputs is None
        made_up = np.arange(2, dtype=np.int32), np.eye(2, 1000, dtype=np.float32)
        return metric.value(*made_up) if is_known else 0.0
    if outputs is None:
        label, mask = jax.ShapeDtypeStruct((2,), np.int32), jax.ShapeDtypeStruct((2,), bool)
        logits, loss = (jax.ShapeDtypeStruct(s, np.float32) for s in ((2, 1000), (2,)))
        outputs = Outputs(logits, label, mask, loss)  # type: ignore[arg-type]
    sums = jax.eval_shape(metric.sums, outputs)
    with np.errstate(invalid="ignore", divide="ignore"):
        return metric.value({name: np.ones(x.shape, x.dtype) for name, x in sums.items()})


def epochs_without_gain(rows: Sequence[Mapping[str, Any]], rank: Rank) -> int:
    """Count the epochs since the best of some rows, 0 if the last one is the best."""
    return len(rows) - 1 - max(range(len(rows)), key=lambda i: rank(rows[i])) if rows else 0


def mean_row(rows: Sequence[Mapping[str, Any]]) -> Row:
    """Average the rows of an epoch over the members.

    Args:
      rows: a row of each member's history, of one epoch.

    Returns:
      One such row, with `validation_accuracy_spread`, the standard deviation over members.

    Example:
      >>> rows = [{"epoch": 1, "validation_accuracy": a} for a in (0.5, 1.0)]
      >>> mean_row(rows)["validation_accuracy"]
      0.75
    """
    row: Row = {}
    for name, first in rows[0].items():
        each = [member[name] for member in rows]
        same = name in ("epoch", "step") or isinstance(first, str)
        # What is not defined for a member is not defined for the mean.
        row[name] = first if same else plain(np.mean(np.asarray(each, np.float64), axis=0))
    if "validation_accuracy" in row:
        spread = np.std([r["validation_accuracy"] for r in rows], ddof=min(1, len(rows) - 1))
        row["validation_accuracy_spread"] = float(spread)
    return row


def mean_history(histories: Sequence[Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Average the members' histories, epoch by epoch, see `mean_row`."""
    return [mean_row(rows) for rows in zip(*histories, strict=True)]
