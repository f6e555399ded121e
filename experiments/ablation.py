"""Measure what each cure for memorising gives: the same run with it and without it.

    python -m experiments.ablation --dataset=folder --data_dir=PHOTOS --workdir=runs/ablation

Trains the network of experiments.cats_dogs with all of augmentation, dropout and BatchNorm, without
each, and without any; prints a table and draws the curves. Takes the flags of
experiments.cats_dogs; each run has a folder of its own below --workdir, and runs that are finished
are not trained again.
"""

import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from jaxcnn.cli import command_line, help_formatter, mistakes
from jaxcnn.cli.commands import train
from jaxcnn.host.files import read_rows
from jaxcnn.host.signals import Interrupted
from jaxcnn.plots import plot_comparison_curves
from jaxcnn.runs import train_and_evaluate
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import CannotWriteError, Workdir
from jaxcnn.training.loop import NonFiniteLossError

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "all three": {},
    "no augmentation": {"augment": "none"},
    "no dropout": {"dropout_rate": 0.0},
    "no BatchNorm": {"batch_norm": False},
    "none of them": {"augment": "none", "dropout_rate": 0.0, "batch_norm": False},
}

command_line.define_setting_flags()
_WORKDIR = flags.DEFINE_string("workdir", None, "folder for the runs, one sub-folder each.")
help_formatter.group("run", "workdir")


def main() -> None:
    """Run every variant, then print the table and draw the curves."""
    if not _WORKDIR.value:
        raise ValueError("--workdir is missing: a folder for the runs.")
    config = command_line.read_settings()
    command_line.prepare()
    folder = Path(_WORKDIR.value)
    try:
        runs = {name: _run(config, folder, name) for name in VARIANTS}
    except Interrupted as stop:
        print(f"{stop} The same command goes on.", file=sys.stderr)
        sys.exit(128 + stop.signal_number)
    except CannotWriteError as error:
        mistakes.refuse(str(error).replace("resume=True", "the same command"), 1)
    except NonFiniteLossError as error:
        mistakes.refuse(error, 1)
    curves = {name: read_rows(run.metrics) for name, run in runs.items()}
    summaries = {name: json.loads(run.summary.read_text()) for name, run in runs.items()}
    print(table(summaries, {name: rows[-1] for name, rows in curves.items()}))
    print(plot_comparison_curves(folder / "curves.png", curves))


def table(summaries: Mapping[str, Any], last_rows: Mapping[str, Any]) -> str:
    """Write the comparison as a Markdown table.

    Args:
      summaries: the summary of each run.
      last_rows: the last row of each run's history.

    Returns:
      One row per run: test accuracy with its 95 % interval, and the last epoch's train and
      validation accuracy and their gap.
    """
    lines = ["| run | test | 95% interval | train, last epoch | validation, last epoch | gap |"]
    lines.append("|---|---|---|---|---|---|")
    for name, summary in summaries.items():
        (low, high), row = summary["test_accuracy_interval"], last_rows[name]
        gap = row["train_accuracy"] - row["validation_accuracy"]
        lines.append(
            f"| {name} | {summary['test_accuracy']:.1%} | {low:.1%} to {high:.1%} | "
            f"{row['train_accuracy']:.1%} | {row['validation_accuracy']:.1%} | {gap:+.1%} |"
        )
    return "\n".join(lines)


def _run(config: TrainConfig, folder: Path, name: str) -> Workdir:
    """Train a variant, unless it is trained; return its folder."""
    run = Workdir(folder / name.replace(" ", "_").lower())
    if not run.summary.exists():
        print(f"--- {name}")
        train_and_evaluate.train_classifier(config.replace(**VARIANTS[name]), run.path, resume=True)
    return run


if __name__ == "__main__":
    defaults = functools.partial(train.resolved_defaults, train.Program("", ""))
    with command_line.running(__doc__, common=train.COMMON, defaults=defaults):
        main()
