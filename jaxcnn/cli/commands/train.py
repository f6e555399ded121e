"""Train a classifier on a data set or on your photos, test it, and write a report.

    jaxcnn train
        draws cats and dogs, trains on them and tests; needs no network.
    jaxcnn train --data_dir=PHOTOS --pretrained
        your photos, one sub-folder per class, on a network that has seen a million others.
    jaxcnn train --data_dir=PHOTOS --labels=TABLE.csv --pretrained
        the same with the labels in a table, which has a column of files and one of labels.
    jaxcnn train --dataset=cifar10 --model=resnet20
        a data set of tensorflow-datasets by its name, and another network.
    jaxcnn train --mode=evaluate --workdir=RUN
        tests the best checkpoint of a run again; with --data_dir=PHOTOS, on those photos.

Photos are only read. What a run makes goes into its folder.
"""

import contextlib
import dataclasses
import datetime
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
from absl import flags

from jaxcnn import optim
from jaxcnn.augment import list_policies
from jaxcnn.cli import command_line, help_formatter, mistakes
from jaxcnn.host.folders import making
from jaxcnn.host.names import unknown_name
from jaxcnn.host.processes import PeerLostError, end_processes, find_cluster, is_first
from jaxcnn.host.signals import Interrupted, end_interrupted
from jaxcnn.models import list_models, model_options
from jaxcnn.runs import config as config_lib, evaluate_again, recipes, train_and_evaluate
from jaxcnn.runs.config import MACHINE_SETTINGS, TrainConfig, setting_fields
from jaxcnn.runs.config.settings import TABLE_SETTINGS
from jaxcnn.runs.folder import CannotWriteError, Workdir
from jaxcnn.training.loop import NonFiniteLossError

logger = logging.getLogger(__name__)

_MODES = ("train", "evaluate")
# What --help shows; --helpfull shows all.
COMMON = (
    *(
        "dataset",
        "data_dir",
        "labels",
        "image_size_px",
        "model",
        "pretrained",
        "num_epochs",
        "batch_size",
    ),
    *("learning_rate", "augment", "fine_tune", "seed", "workdir", "resume", "recipe"),
)

# Flags of a plan's sizes: of a command of its own, and of --plan.
PLAN_FLAGS = {
    "": ("num_classes", "num_examples", "utilization"),
    "plan_": ("plan_classes", "plan_examples", "plan_utilization"),
}


@dataclasses.dataclass(frozen=True)
class Program:
    """A program that trains.

    Attributes:
      name: how it is started, as in "python -m experiments.cats_dogs".
      doc: what it does, with examples: the head of its help.
      recipe: name of the recipe whose settings it has unless flags say otherwise; None for none.
      report: called on the first process with the folder and the summary of a run that ended.
    """

    name: str
    doc: str
    recipe: str | None = None
    report: Callable[[Path, dict[str, Any]], None] | None = None


def define_flags(program: Program) -> None:
    """Define the flags of a program that trains."""
    define_setting_flags(program)
    command_line.define_process_flags()
    flags.DEFINE_string(
        "workdir", None, "folder of the run; without it a new one, runs/DATASET-DATE-TIME."
    )
    flags.DEFINE_string("mode", "train", f"what to do: {' or '.join(_MODES)}.")
    flags.DEFINE_bool(
        "resume",
        False,
        "continue the run in --workdir where there is one, start one where there is none.",
    )
    flags.DEFINE_bool("overwrite", False, "remove the run in --workdir first.")
    help_formatter.group("run", "workdir", "mode", "resume", "overwrite")
    define_plan_flags(prefix="plan_")
    flags.DEFINE_bool(
        "plan",
        False,
        "train nothing: compile a step, and show what training would cost in memory, arithmetic "
        "and hours on some machines; no image is read.",
    )
    help_formatter.group("plan", "plan")


def define_setting_flags(program: Program) -> None:
    """Define the flags of settings, and of the recipe where the program has one."""
    command_line.define_setting_flags(
        model=list_models(),
        optimizer=optim.list_optimizers(),
        schedule=optim.list_schedules(),
        augment=list_policies(),
    )
    if program.recipe is None:
        return
    flags.DEFINE_string(
        "recipe",
        program.recipe,
        "published way to train, whose settings hold where no flag is given; none for the "
        f"library's own. Known: {', '.join(recipes.RECIPES)}.",
    )
    flags.DEFINE_bool("list_recipes", False, "print the recipes, and train nothing.")
    help_formatter.group("training", "recipe", "list_recipes")


def define_plan_flags(*, prefix: str = "") -> None:
    """Define the flags of a plan's sizes."""
    about = "with --plan, " if prefix else ""
    num_classes, num_examples, utilization = PLAN_FLAGS[prefix]
    flags.DEFINE_integer(
        num_classes, None, f"{about}number of classes; without it, the data set's."
    )
    flags.DEFINE_integer(
        num_examples, None, f"{about}number of training examples; without it, the data set's."
    )
    flags.DEFINE_float(
        utilization,
        0.4,
        f"{about}share of an accelerator's peak FLOP/s that is reached, in (0, 1].",
    )
    help_formatter.group("plan", *PLAN_FLAGS[prefix])


def run_program(program: Program) -> None:
    """Parse the flags and do as they say.

    Args:
      program: which one this is.
    """
    given = flags.FLAGS
    with (
        command_line.running(
            program.doc, common=COMMON, defaults=lambda: resolved_defaults(program)
        ),
        _stops_explained(program),
    ):
        if given.mode not in _MODES:
            raise unknown_name("mode", given.mode, _MODES)
        if program.recipe is not None and given.list_recipes:
            print("\n".join(recipes.describe_recipes()))
        elif given.plan:
            from jaxcnn.cli.commands.plan import show_plan  # not for those who train

            show_plan(read_config(program), prefix="plan_")
        else:
            _evaluate() if given.mode == "evaluate" else _train(program)


def resolved_defaults(program: Program) -> dict[str, Any]:
    """Give the settings that a run of the words of the command line would have.

    Returns:
      Values by name; those that a run would refuse or need weights for are left as they are.
    """
    words = [word for word in sys.argv if not help_formatter.asked_for([word])]
    try:
        mistakes.parse_flags(words)
        return config_lib.resolve(read_config(program)).flat()
    except (flags.Error, ValueError):
        return {}


@contextlib.contextmanager
def _stops_explained(program: Program) -> Iterator[None]:
    """End a run that was stopped, or cannot go on, with what to do next."""
    try:
        yield
    except Interrupted as stop:
        status = 128 + stop.signal_number
        end_processes(f"{stop} Resume with:\n  {_resume_command(program)}", status)
    except CannotWriteError as error:
        said = mistakes.in_flags(str(error)).replace(" --resume.", ":\n  ")
        end_processes(f"error: {said}{_resume_command(program)}", 1)
    except (NonFiniteLossError, PeerLostError) as error:
        end_processes(f"error: {mistakes.in_flags(str(error))}", 1)
    except KeyboardInterrupt:
        where = f" Go on with:\n  {_resume_command(program)}" if flags.FLAGS.workdir else ""
        end_interrupted(f"stopped.{where}")


def read_config(program: Program) -> TrainConfig:
    """Make the settings of flags and recipe; a flag that is given overrides the recipe.

    Args:
      program: which one this is.

    Returns:
      Settings, some of them None.

    Raises:
      ValueError: if the recipe is unknown or a flag's text cannot be read.
    """
    config = command_line.read_settings()
    name = str(flags.FLAGS["recipe"].value) if program.recipe is not None else "none"
    if name == "none":
        return config
    batch_size = config.training.batch_size if flags.FLAGS["batch_size"].present else None
    settings = recipes.recipe_settings(name, batch_size)
    model = config.network.model
    if model not in (None, settings["model"]):  # another network has options of its own
        settings.pop("model_options", None)
        if "drop_path_rate" not in model_options(model):
            settings.pop("drop_path_rate", None)
    return config.replace(**{k: v for k, v in settings.items() if not flags.FLAGS[k].present})


def _train(program: Program) -> None:
    given = flags.FLAGS
    if (given.resume or given.overwrite) and not given.workdir:
        raise ValueError("--resume and --overwrite need --workdir, the folder of the run.")
    if unused := [name for name in PLAN_FLAGS["plan_"] if given[name].present]:
        raise ValueError(f"--{unused[0]} has no effect without --plan; leave it out.")
    if given.resume and given.overwrite:
        raise ValueError("--resume and --overwrite exclude each other; give one.")
    config = _as_its_run(read_config(program), program)
    with _run_folder(config) as workdir:
        command_line.prepare(f"run folder: {workdir}")
        config = _for_this_machine(config)
        summary = train_and_evaluate.train_classifier(
            config, workdir, resume=given.resume, overwrite=given.overwrite
        )
        if not is_first():
            return
        if program.report is not None:
            program.report(Path(workdir), summary)
        quoted = shlex.quote(workdir)
        print(f"label your own photos:\n  jaxcnn predict --workdir={quoted} PHOTO...")


def _as_its_run(config: TrainConfig, program: Program) -> TrainConfig:
    """Take the settings of the run that is resumed, where no flag was given.

    A search of settings is resumed by its own flags, since its run has what the search chose.
    """
    given = flags.FLAGS
    folder = Workdir(Path(given.workdir)) if given.resume else None
    has_recipe = program.recipe is not None and given["recipe"].present
    if folder is None or not folder.holds_run or has_recipe:
        return config
    there = config_lib.load_config(folder.config)
    if there.run.searches:
        return config
    typed = {name: value for name, value in config.flat().items() if given[name].present}
    return there.replace(**typed)


@contextlib.contextmanager
def _run_folder(config: TrainConfig) -> Iterator[str]:
    """Give the folder that the user names, or a new one."""
    given = flags.FLAGS
    if given.workdir:
        yield given.workdir
        return
    # Processes that train together use the same folder.
    is_alone = given.num_processes is None and find_cluster(os.environ) is None
    with making(_new_workdir(config.data.dataset), is_new=is_alone) as folder:
        given["workdir"].value = str(folder)
        yield given.workdir


def _for_this_machine(config: TrainConfig) -> TrainConfig:
    """Leave a recipe's precision to the run that is resumed, and on a CPU to a trial."""
    given = flags.FLAGS
    goes_on = given.resume and Workdir(Path(given.workdir)).is_ours
    if given["compute_dtype"].present or not (goes_on or jax.default_backend() == "cpu"):
        return config
    return config.replace(compute_dtype="auto")


def _evaluate() -> None:
    workdir = flags.FLAGS.workdir
    _refuse_unused()
    if not workdir:
        raise ValueError("--mode=evaluate needs --workdir, the folder of a run.")
    command_line.prepare()
    given: dict[str, Any] = {
        name: flags.FLAGS[name].value for name in _TAKEN if flags.FLAGS[name].present
    }
    print(json.dumps(evaluate_again.evaluate_classifier(workdir, **given), indent=2))


# Settings that --mode=evaluate takes; all others are those of the run.
_TAKEN = (*MACHINE_SETTINGS, "data_dir", "labels", *TABLE_SETTINGS, "allow_seen_test_photos")


def _refuse_unused() -> None:
    own = ["resume", "overwrite", "recipe", "plan", *PLAN_FLAGS["plan_"]]
    names = {*setting_fields(), *own} - {*_TAKEN}
    unused = [name for name in sorted(names) if name in flags.FLAGS and flags.FLAGS[name].present]
    if unused:
        raise ValueError(
            f"--{unused[0]} has no effect with --mode=evaluate, which tests a run as it was "
            "trained; leave it out."
        )


def _new_workdir(dataset: str) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = dataset.replace("/", "-").replace(":", "-")
    return Path("runs") / f"{name}-{stamp}"


def _resume_command(program: Program) -> str:
    """Give the command that was typed, with the run's folder and --resume."""
    names = [*setting_fields(), "mode"]
    names += ["recipe"] if program.recipe is not None else []
    given = [flags.FLAGS[name] for name in names if flags.FLAGS[name].present]
    words = [*(f.serialize() for f in given), f"--workdir={flags.FLAGS.workdir}", "--resume"]
    return f"{program.name} {shlex.join(words)}"


def run() -> None:
    """Be the command `jaxcnn train`."""
    program = Program("jaxcnn train", __doc__ or "")
    define_flags(program)
    run_program(program)
