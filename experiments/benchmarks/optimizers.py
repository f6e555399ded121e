"""Muon and schedule-free AdamW against AdamW and SGD, on a part of CIFAR-10.

    python -m experiments.benchmarks.optimizers --cifar10=FOLDER --out=FILE.json

Each optimizer has the same network, epochs, augmentation and weight decay of its own kind. Its
learning rate is chosen once, on validation, among its default, three times and nine times that,
with a seed that is not among those that are tested. Each seed is tested once, with the parameters
of its last epoch.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from experiments.accelerator import cifar_data
from experiments.benchmarks.machine import describe_origin
from jaxcnn import fit, optim
from jaxcnn.augment import make_augment
from jaxcnn.cli import command_line
from jaxcnn.host.extras import versions
from jaxcnn.models import create_model
from jaxcnn.training.fit_result import FitResult
from jaxcnn.training.state import evaluation_variables

_CIFAR10 = flags.DEFINE_string("cifar10", None, "folder of CIFAR-10, see `cifar_data`.")
_OUT = flags.DEFINE_string("out", None, "JSON file to write.")
_EPOCHS = flags.DEFINE_integer("num_epochs", 5, "epochs of each training.")
_SEEDS = flags.DEFINE_integer("num_seeds", 3, "seeds that are tested.")

OPTIMIZERS = ("sgd", "adamw", "muon", "schedule_free_adamw")
_TRIED = (1.0, 3.0, 9.0)  # of the default learning rate
_BATCH_SIZE, _WARMUP_EPOCHS = 32, 1
_NUM_TRAIN, _NUM_VALIDATION, _NUM_TEST = 5000, 1000, 2000

Pair = tuple[np.ndarray, np.ndarray]


def split_data(folder: Path) -> tuple[Pair, Pair, Pair]:
    """Read the photos that are trained, chosen and tested on."""
    images, labels = cifar_data.read(folder, "train", _NUM_TRAIN + _NUM_VALIDATION)
    order = np.random.default_rng(0).permutation(len(labels))
    trained, chosen = order[:_NUM_TRAIN], order[_NUM_TRAIN:]
    return (
        (images[trained], labels[trained]),
        (images[chosen], labels[chosen]),
        cifar_data.read(folder, "test", _NUM_TEST),
    )


def train(name: str, rate: float, data: tuple[Pair, Pair], *, seed: int, count: int) -> FitResult:
    """Train networks by one optimizer.

    Args:
      name: of the optimizer.
      rate: its peak learning rate.
      data: training and validation.
      seed: the first network's.
      count: networks.

    Returns:
      What `fit` gives.
    """
    steps = _NUM_TRAIN // _BATCH_SIZE
    schedule = optim.make_schedule(
        "constant" if optim.is_schedule_free(name) else "cosine",
        learning_rate=rate,
        total_steps=steps * _EPOCHS.value,
        warmup_steps=steps * _WARMUP_EPOCHS,
    )
    decay = 0.05 if optim.decays_decoupled(name) else 0.0005
    model = create_model(
        "six_conv",
        10,
        **{"depth": 4, "width_multiplier": 0.25, "batch_norm": True, "dropout_rate": 0.1},
        **{"global_pooling": "average", "dense_widths": ()},
    )
    return fit(
        model,
        *data,
        optimizer=optim.make_optimizer(name, schedule, weight_decay=decay),
        augment=make_augment("flip,translation=0.125", image_size_px=32),
        num_epochs=_EPOCHS.value,
        batch_size=_BATCH_SIZE,
        key=seed,
        num_members=count,
        learning_rate=schedule,
    )


def measure(name: str, train_data: Pair, validation: Pair, test: Pair) -> dict[str, Any]:
    """Choose an optimizer's learning rate, and test it with each seed."""
    default, accuracies = optim.default_learning_rate(name), {}
    for share in _TRIED:
        found = train(name, share * default, (train_data, validation), seed=100, count=1)
        accuracies[share * default] = found.history[-1]["validation_accuracy"]
        print(f"{name} {share * default:.2g}: {accuracies[share * default]:.1%}", flush=True)
    rate, started = max(accuracies, key=lambda each: accuracies[each]), time.perf_counter()
    found = train(name, rate, (train_data, validation), seed=0, count=_SEEDS.value)
    seconds = time.perf_counter() - started
    variables = [evaluation_variables(state) for state in found.states]
    each = [found.evaluate(test, own).accuracy for own in variables]
    print(f"{name}: {np.mean(each):.1%} in {seconds:.0f} s", flush=True)
    return {
        "optimizer": name,
        "learning_rate": rate,
        "validation": accuracies[rate],
        "test": float(np.mean(each)),
        "low": min(each),
        "high": max(each),
    }


_COLUMNS = {
    "optimizer": ("`--optimizer`", ""),
    "learning_rate": ("learning rate", ".2g"),
    "validation": ("validation, when chosen", ".1%"),
    "test": ("test, mean of seeds", ".1%"),
    "low": ("lowest", ".1%"),
    "high": ("highest", ".1%"),
}


def main() -> None:
    """Measure each optimizer, and write the file after each."""
    if not _CIFAR10.value or not _OUT.value:
        raise ValueError("--cifar10 and --out are needed: a folder of CIFAR-10, and a JSON file.")
    data, rows = split_data(Path(_CIFAR10.value)), []
    for name in OPTIMIZERS:
        rows.append(measure(name, *data))
        found = _measurement(rows)
        Path(_OUT.value).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _measurement(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Say what was measured, and where."""
    command = ["python", "-m", "experiments.benchmarks.optimizers", "--cifar10=FOLDER"]
    origin = describe_origin([*command, "--out=FILE"])
    machine = {name: origin["machine"][name] for name in ("cpu", "cores")}
    return {
        "title": "Optimizers on a part of CIFAR-10",
        "room": "optim",
        **origin,
        "machine": {**machine, "load": "shared with other programs"},
        "versions": versions(("jaxcnn", "jax", "optax")),
        "notes": [
            f"Six_conv with four blocks at a quarter of its width, {_NUM_TRAIN:,} training photos, "
            f"{_NUM_VALIDATION:,} for validation, {_NUM_TEST:,} to test; {_EPOCHS.value} epochs, "
            f"batches of {_BATCH_SIZE}, one epoch of warm-up, then a cosine (schedule-free: "
            "constant); flips and shifts.",
            "The learning rate is the best on validation of the default, three times and nine "
            "times that, by a seed of its own. The parameters of the last epoch are tested, of "
            f"{_SEEDS.value} seeds.",
        ],
        "columns": [
            {"key": key, "heading": heading, "format": form}
            for key, (heading, form) in _COLUMNS.items()
        ],
        "rows": rows,
    }


if __name__ == "__main__":
    with command_line.running(__doc__, common=("cifar10", "out")):
        main()
