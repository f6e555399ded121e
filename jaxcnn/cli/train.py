"""What programs that train have in common: flags, recipes, a plan, training, evaluation, mistakes.

A program says what it is by a `Program`, calls `define_flags` where it is imported and `run` where
it is started.
"""

import dataclasses
import datetime
import functools
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from absl import flags

from jaxcnn import optim
from jaxcnn.augment import list_policies
from jaxcnn.cli import command_line
from jaxcnn.host.names import unknown_name
from jaxcnn.host.processes import PeerLostError, end_processes, is_first
from jaxcnn.host.signals import Interrupted
from jaxcnn.models import list_models, model_options
from jaxcnn.optim import schedules
from jaxcnn.runs import recipes, train_and_evaluate
from jaxcnn.runs.config import TrainConfig
from jaxcnn.training.loop import NonFiniteLossError

_MODES = ("train", "evaluate")
_PARSERS: dict[str, Callable[[str], Any]] = {
    "dense_widths": command_line.whole_numbers,
    "pixel_mean": command_line.numbers,
    "pixel_std": command_line.numbers,
}

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
_PLAN = flags.DEFINE_bool(
    "plan",
    False,
    "train nothing: compile a step, and tell what training would cost in memory, arithmetic and "
    "hours on some machines; no image is read.",
)
_PLAN_CLASSES = flags.DEFINE_integer(
    "plan_classes", None, "with --plan, number of classes; default the data set's."
)
_PLAN_EXAMPLES = flags.DEFINE_integer(
    "plan_examples", None, "with --plan, number of training examples; default the data set's."
)
_PLAN_UTILIZATION = flags.DEFINE_float(
    "plan_utilization", 0.4, "with --plan, share of a chip's peak arithmetic reached, in (0, 1]."
)
_PLAN_FLAGS = (_PLAN, _PLAN_CLASSES, _PLAN_EXAMPLES, _PLAN_UTILIZATION)
_OWN_FLAGS = (_WORKDIR, _MODE, _RESUME, _OVERWRITE, *_PLAN_FLAGS)


@dataclasses.dataclass(frozen=True)
class Program:
    """A program that trains.

    Attributes:
      name: how it is started, as in "python -m experiments.cats_dogs".
      recipe: name of the recipe whose settings it has unless flags say otherwise; None for none.
      report: called on the first process with the folder and the summary of a run that ended.
    """

    name: str
    recipe: str | None = None
    report: Callable[[Path, dict[str, Any]], None] | None = None


def define_flags(program: Program) -> None:
    """Define a flag for each setting, and for recipes where the program has one."""
    command_line.define_flags(
        TrainConfig,
        model=list_models(),
        optimizer=optim.list_optimizers(),
        schedule=schedules.list_schedules(),
        augment=list_policies(),
    )
    if program.recipe is not None:
        flags.DEFINE_string(
            "recipe",
            program.recipe,
            "published way to train, whose settings hold where no flag is given; "
            f"none for the library's own. Known: {', '.join(recipes.RECIPES)}.",
        )
        flags.DEFINE_bool("list_recipes", False, "print the recipes, and train nothing.")


def run_program(program: Program) -> None:
    """Parse the flags and do as they say.

    Args:
      program: which one this is.
    """
    own = [flag.name for flag in _OWN_FLAGS]
    if program.recipe is not None:
        own += ["recipe", "list_recipes"]
    for name in own:  # absl's --help lists a program's own flags
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    command_line.run(functools.partial(_main, program))


def _main(program: Program, words: list[str]) -> None:
    try:
        if len(words) > 1:
            raise ValueError(f"unexpected words {' '.join(words[1:])!r}; every option is a --flag.")
        if _MODE.value not in _MODES:
            raise unknown_name("mode", _MODE.value, _MODES)
        if program.recipe is not None and flags.FLAGS["list_recipes"].value:
            print("\n".join(recipes.describe_recipes()))
        elif _PLAN.value:
            _plan(program)
        else:
            _evaluate() if _MODE.value == "evaluate" else _train(program)
    except Interrupted as stop:
        status = 128 + stop.signal_number
        end_processes(f"{stop} Resume with:\n  {_resume_command(program)}", status)
    except (NonFiniteLossError, PeerLostError) as error:
        end_processes(f"error: {error}", 1)
    except (ValueError, OSError) as mistake:
        command_line.refuse(mistake)
    except KeyboardInterrupt:
        sys.exit(f"stopped. Go on with:\n  {_resume_command(program)}")


def read_config(program: Program) -> TrainConfig:
    """Make the settings of flags and recipe; a flag that is given overrides the recipe.

    Args:
      program: which one this is.

    Returns:
      Settings, some of them None.

    Raises:
      ValueError: if the recipe is unknown or a flag's text cannot be read.
    """
    config: TrainConfig = command_line.read_settings(TrainConfig, **_PARSERS)
    name = str(flags.FLAGS["recipe"].value) if program.recipe is not None else "none"
    if name == "none":
        return config
    batch_size = config.batch_size if flags.FLAGS["batch_size"].present else None
    settings = recipes.recipe_settings(name, batch_size)
    if config.model not in (None, settings["model"]):  # another network has options of its own
        settings.pop("model_options", None)
        if "drop_path_rate" not in model_options(config.model):
            settings.pop("drop_path_rate", None)
    left = {k: v for k, v in settings.items() if not flags.FLAGS[k].present}
    return dataclasses.replace(config, **left)


def _train(program: Program) -> None:
    if (_RESUME.value or _OVERWRITE.value) and not _WORKDIR.value:
        raise ValueError("--resume and --overwrite need --workdir, the folder of the run.")
    if _RESUME.value and _OVERWRITE.value:
        raise ValueError("--resume and --overwrite exclude each other; give one.")
    config = read_config(program)
    workdir = _WORKDIR.value or _new_workdir(config.dataset)
    flags.FLAGS["workdir"].value = workdir
    lines = [f"run folder: {workdir}", *command_line.prepare()]
    config = _for_this_machine(config, lines)
    if is_first():
        print("\n".join(lines))
    summary = train_and_evaluate.train_classifier(
        config, workdir, resume=_RESUME.value, overwrite=_OVERWRITE.value
    )
    if not is_first():
        return
    if program.report is not None:
        program.report(Path(workdir), summary)
    predict = f"jaxcnn predict --workdir={shlex.quote(workdir)} PHOTO..."
    print(f"label your own photos:\n  {predict}")


def _for_this_machine(config: TrainConfig, lines: list[str]) -> TrainConfig:
    """Take float32 for a recipe's bfloat16 on a CPU, which has to emulate that."""
    is_given = flags.FLAGS["compute_dtype"].present
    if is_given or config.compute_dtype != "bfloat16" or jax.default_backend() != "cpu":
        return config
    lines.append("on a CPU: float32 for the recipe's bfloat16 (--compute_dtype=bfloat16 keeps it)")
    return dataclasses.replace(config, compute_dtype="float32")


def _evaluate() -> None:
    if not _WORKDIR.value:
        raise ValueError("--mode=evaluate needs --workdir, the folder of a run.")
    for line in command_line.prepare():
        print(line)
    print(json.dumps(train_and_evaluate.evaluate_classifier(_WORKDIR.value), indent=2))


def _plan(program: Program) -> None:
    from jaxcnn.cli.plan_text import plan_lines  # not for those who train
    from jaxcnn.runs.planning import plan

    config = read_config(program)
    for line in command_line.prepare():
        print(line)
    size = plan.find_size(
        config, num_classes=_PLAN_CLASSES.value, num_examples=_PLAN_EXAMPLES.value
    )
    found = plan.make_plan(config, size, utilization=_PLAN_UTILIZATION.value, say=print)
    print("\n".join(plan_lines(found)))


def _new_workdir(dataset: str) -> str:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = dataset.replace("/", "-").replace(":", "-")
    return str(Path("runs") / f"{name}-{stamp}")


def _resume_command(program: Program) -> str:
    """Give the command that was typed, with the run's folder and --resume."""
    names = [*(f.name for f in dataclasses.fields(TrainConfig)), "mode"]
    names += ["recipe"] if program.recipe is not None else []
    given = [flags.FLAGS[name] for name in names if flags.FLAGS[name].present]
    words = [*(flag.serialize() for flag in given), f"--workdir={_WORKDIR.value}", "--resume"]
    return f"{program.name} {shlex.join(words)}"


def run() -> None:
    """Be the command `jaxcnn train`."""
    program = Program("jaxcnn train")
    define_flags(program)
    run_program(program)
