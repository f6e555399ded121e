"""A small network taught by a large one, against the same network alone for the same time.

    python -m experiments.benchmarks.distillation --data_dir=PHOTOS --teacher=RUN --out=FOLDER

`six_conv` at a quarter of its width and 48 px learns cats and dogs. Taught, a step takes longer,
since the teacher answers in it. So the network alone has as many more epochs as fit into the same
time; so has a network whose teacher answers to two views of each photo before. Writes
FOLDER/distillation.json; its runs stay in FOLDER, and those that are finished are not repeated.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.benchmarks.machine import describe_origin
from jaxcnn.cli import command_line
from jaxcnn.host.extras import versions
from jaxcnn.runs import train_classifier
from jaxcnn.runs.config import TrainConfig, make_config

_DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of photos.")
_TEACHER = flags.DEFINE_string("teacher", None, "folder of the teacher's run.")
_OUT = flags.DEFINE_string("out", None, "folder to write.")
_EPOCHS = flags.DEFINE_integer("num_epochs", 6, "epochs of the taught network.")
_SEEDS = flags.DEFINE_integer("num_seeds", 3, "seeds of each.")

_VIEWS = 2

_COLUMNS = {
    "network": ("six_conv", ""),
    "epochs": ("epochs", ""),
    "seconds": ("training, m:ss", "m:ss"),
    "validation": ("validation, mean", ".1%"),
    "test": ("test, mean of seeds", ".1%"),
    "low": ("lowest", ".1%"),
    "high": ("highest", ".1%"),
}


def settings(num_epochs: int, seed: int, **further: Any) -> TrainConfig:
    """Give the settings of one run.

    Args:
      num_epochs: of its training.
      seed: of all its draws.
      **further: settings that differ between the runs.
    """
    return make_config(
        **{"dataset": "folder", "data_dir": _DATA_DIR.value, "model": "six_conv"},
        **{"image_size_px": 48, "width_multiplier": 0.25, "crop_from": "square"},
        **{"num_epochs": num_epochs, "seed": seed, "baselines": False},
        **further,
    )


def train(name: str, num_epochs: int, seed: int, **further: Any) -> dict[str, Any]:
    """Train a network, and give the run's summary.

    Args:
      name: of the run's folder, beside the seed.
      num_epochs: of its training.
      seed: of all its draws.
      **further: settings that differ between the runs.
    """
    workdir = Path(_OUT.value or "") / f"{name}_{seed}"
    return train_classifier(settings(num_epochs, seed, **further), workdir, resume=True)


def row_of(name: str, num_epochs: int, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the row of the table of a network's runs, one per seed."""
    tests = [each["test_accuracy"] for each in found]
    return {
        "network": name,
        "epochs": num_epochs,
        "seconds": _mean(found, "train_seconds"),
        "validation": _mean(found, "validation_accuracy"),
        "test": float(np.mean(tests)),
        "low": min(tests),
        "high": max(tests),
    }


def _mean(found: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([each[name] for each in found]))


def main() -> None:
    """Train all, and write the file at the end."""
    if not (_DATA_DIR.value and _TEACHER.value and _OUT.value):
        raise ValueError("--data_dir, --teacher and --out are needed.")
    out, alone, taught = Path(_OUT.value), [], []
    epochs, seeds = _EPOCHS.value, range(_SEEDS.value)
    for seed in seeds:  # in turn, so that other programs slow both down alike
        alone.append(train("alone", epochs, seed))
        taught.append(train("taught", epochs, seed, teacher=_TEACHER.value))
    seconds, taught_seconds = (_mean(each, "train_seconds") for each in (alone, taught))
    longer = round(epochs * taught_seconds / seconds)
    # What the teacher's answers to all photos take, in seconds and in epochs without it.
    answering = _VIEWS * (taught_seconds - seconds) / epochs
    rest = round(longer - answering / (seconds / epochs))
    once = {"teacher": _TEACHER.value, "teacher_views": _VIEWS}
    answered = row_of(
        f"taught, {_VIEWS} views of each photo answered before",
        rest,
        [train("answered", rest, seed, **once) for seed in seeds],
    )
    rows = [
        row_of("alone, as many epochs", epochs, alone),
        row_of("taught in each step", epochs, taught),
        row_of("alone, for as long", longer, [train("longer", longer, seed) for seed in seeds]),
        {**answered, "seconds": answered["seconds"] + answering},
    ]
    origin = describe_origin(["python", "-m", "experiments.benchmarks.distillation"])
    machine = {name: origin["machine"][name] for name in ("cpu", "cores")}
    about = {
        "title": "A small network taught by a frozen EfficientNet-Lite0",
        "room": "training",
        **origin,
        "machine": {**machine, "load": "shared with other programs"},
        "versions": versions(("jaxcnn", "jax", "optax")),
        "notes": [
            "Photos of cats and dogs at 48 px, `six_conv` at a quarter of its width, "
            f"{_SEEDS.value} seeds; soft answers at temperature 3, the label's share 0.1. The "
            "seconds are without evaluation; those of answers before training are estimated from "
            "those of answers in each step."
        ],
        "columns": [
            {"key": key, "heading": heading, "format": form}
            for key, (heading, form) in _COLUMNS.items()
        ],
        "rows": rows,
    }
    (out / "distillation.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with command_line.running(__doc__, common=("data_dir", "teacher", "out", "num_epochs")):
        main()
