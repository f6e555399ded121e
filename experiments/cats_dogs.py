"""Teach a convolutional network to tell cats from dogs, or any classes from their photos.

    python -m experiments.cats_dogs
        draws its own cats and dogs, trains on them and tests; no network, minutes on two cores.
    python -m experiments.cats_dogs --dataset=folder --data_dir=PHOTOS
        the same with your photos: one sub-folder a class, or train/, validation/, test/ above them.
    python -m experiments.cats_dogs --dataset=cats_vs_dogs
        the same with a tensorflow-datasets set, by its name.
    python -m experiments.cats_dogs --mode=evaluate --workdir=RUN
        tests the best checkpoint of a run again.

The architecture is the article's: six convolutions with max pooling, ReLU, and softmax; 46 epochs
of real photos take half an hour on two cores. Other networks, sizes and cures are flags.
"""

import dataclasses
import datetime
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command_line
from jaxcnn import optim, schedules, trainer
from jaxcnn.augment import list_policies
from jaxcnn.config import TrainConfig
from jaxcnn.interrupt import Interrupted
from jaxcnn.loop import NonFiniteLossError
from jaxcnn.models import list_models
from jaxcnn.parallel import PeerLostError, end_processes, is_first
from jaxcnn.registry import unknown_name

_MODES = ("train", "evaluate")

command_line.define_flags(
    TrainConfig,
    model=list_models(),
    optimizer=optim.list_optimizers(),
    schedule=schedules.list_schedules(),
    augment=list_policies(),
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "folder of the run; default runs/DATASET-DATE-TIME, a new one each time."
)
_MODE = flags.DEFINE_string("mode", "train", f"what to do: {' or '.join(_MODES)}.")
_RESUME = flags.DEFINE_bool(
    "resume",
    False,
    "continue the run in --workdir where there is one, start one where there is none.",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "remove the run in --workdir first.")


def main(words: list[str]) -> None:
    """Train or evaluate as the flags say."""
    try:
        if len(words) > 1:
            raise ValueError(f"unexpected words {' '.join(words[1:])!r}; every option is a --flag.")
        if _MODE.value not in _MODES:
            raise unknown_name("mode", _MODE.value, _MODES)
        _evaluate() if _MODE.value == "evaluate" else _train()
    except Interrupted as stop:
        status = 128 + stop.signal_number
        end_processes(f"{stop} Resume with:\n  {_resume_command()}", status)
    except (NonFiniteLossError, PeerLostError) as error:
        end_processes(f"error: {error}", 1)
    except (ValueError, OSError) as mistake:
        command_line.refuse(mistake)
    except KeyboardInterrupt:
        sys.exit(f"stopped. Go on with:\n  {_resume_command()}")


def _train() -> dict[str, Any]:
    if (_RESUME.value or _OVERWRITE.value) and not _WORKDIR.value:
        raise ValueError("--resume and --overwrite need --workdir, the folder of the run.")
    if _RESUME.value and _OVERWRITE.value:
        raise ValueError("--resume and --overwrite exclude each other; give one.")
    config = command_line.read_settings(
        TrainConfig,
        dense_widths=command_line.whole_numbers,
        pixel_mean=command_line.numbers,
        pixel_std=command_line.numbers,
    )
    workdir = _WORKDIR.value or _new_workdir(config.dataset)
    flags.FLAGS["workdir"].value = workdir
    lines = command_line.prepare()
    if is_first():
        print("\n".join([f"run folder: {workdir}", *lines]))
    summary = trainer.train_classifier(
        config, workdir, resume=_RESUME.value, overwrite=_OVERWRITE.value
    )
    if is_first():
        predict = f"python -m experiments.predict --workdir={shlex.quote(workdir)} PHOTO..."
        print(f"label your own photos:\n  {predict}")
    return summary


def _evaluate() -> None:
    if not _WORKDIR.value:
        raise ValueError("--mode=evaluate needs --workdir, the folder of a run.")
    for line in command_line.prepare():
        print(line)
    print(json.dumps(trainer.evaluate_classifier(_WORKDIR.value), indent=2))


def _new_workdir(dataset: str) -> str:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = dataset.replace("/", "-").replace(":", "-")
    return str(Path("runs") / f"{name}-{stamp}")


def _resume_command() -> str:
    """Give the command that was typed, with the run's folder and --resume."""
    names = [*(f.name for f in dataclasses.fields(TrainConfig)), "mode"]
    given = [flags.FLAGS[name] for name in names if flags.FLAGS[name].present]
    words = [*(flag.serialize() for flag in given), f"--workdir={_WORKDIR.value}", "--resume"]
    return shlex.join(["python", "-m", "experiments.cats_dogs", *words])


if __name__ == "__main__":
    command_line.run(main)
