"""CIFAR-10 fast: how many seconds of training until 94 % are right.

    python -m experiments.cifar10
        tensorflow-datasets' cifar10, downloaded at the first run.
    python -m experiments.cifar10 --dataset=folder --data_dir=IMAGES
        the same from a folder of images, train/ and test/ above the classes.

On a GPU or TPU all images lie on the device and an epoch is a few calls of one program, in
bfloat16. The settings are the recipe cifar10_fast; flags override it. All other flags are those of
experiments.cats_dogs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.cli.commands import train
from jaxcnn.host.files import read_rows
from jaxcnn.runs.config import load_config

GOAL = 0.94  # DAWNBench's


def seconds_to(
    rows: Iterable[Mapping[str, Any]], goal: float, *, batch_size: int
) -> tuple[float, int] | None:
    """Find how long training took until the validation split was right often enough.

    Args:
      rows: of `metrics.jsonl`, one per epoch, in order.
      goal: share of the validation split that is right, in [0, 1].
      batch_size: images per step.

    Returns:
      Seconds of training, compilation and validation left out, and the epoch; None where the goal
      was never reached.

    Example:
      >>> row = {"epoch": 1, "step": 10, "images_per_second": 160.0, "validation_accuracy": 0.95}
      >>> seconds_to([row], 0.94, batch_size=32)
      (2.0, 1)
    """
    seconds, last_step = 0.0, 0
    for row in rows:
        seconds += (row["step"] - last_step) * batch_size / row["images_per_second"]
        last_step = row["step"]
        if row["validation_accuracy"] >= goal:
            return seconds, row["epoch"]
    return None


def _report(workdir: Path, summary: Mapping[str, Any]) -> None:
    rows = read_rows(workdir / "metrics.jsonl")
    batch_size = load_config(workdir / "config.json").training.batch_size
    found = seconds_to(rows, GOAL, batch_size=batch_size)
    on = f"on {summary['device']}, test {summary['test_accuracy']:.2%}"
    if found is None:
        best = max(row["validation_accuracy"] for row in rows)
        print(f"{GOAL:.0%} of the validation images were not reached ({best:.2%} were) {on}")
    else:
        print(f"{GOAL:.0%} of the validation images after {found[0]:.1f} s, epoch {found[1]}, {on}")


_PROGRAM = train.Program(
    "python -m experiments.cifar10", __doc__ or "", recipe="cifar10_fast", report=_report
)
train.define_flags(_PROGRAM)

if __name__ == "__main__":
    train.run_program(_PROGRAM)
