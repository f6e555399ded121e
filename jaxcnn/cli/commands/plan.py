"""Show what training would cost in memory, arithmetic and hours, on rented machines.

    jaxcnn plan
        the run that `jaxcnn train` would be; no image is read, nothing is trained.
    jaxcnn plan --model=resnet50 --image_size_px=224 --num_classes=1000
        a network on a data set that is not here.

The step is compiled on this machine to count its memory and arithmetic; hours are estimates.
"""

import jax
from absl import flags

from jaxcnn.cli import command_line
from jaxcnn.cli.commands import train
from jaxcnn.data.image_size import sides
from jaxcnn.host.text import in_columns
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.planning.plan import Estimate, Plan, find_size, make_plan

_UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def plan_lines(plan: Plan) -> list[str]:
    """Write a plan: what a step costs, and a table of machines.

    Args:
      plan: as `jaxcnn.runs.planning.plan.make_plan` gives.

    Returns:
      Lines.
    """
    config, size = plan.config, plan.size
    whole = " x ".join(map(str, sides(config.data.image_size_px)))
    lines = [
        f"{config.network.model}, {config.network.compute_dtype}, "
        f"{whole} x {config.data.num_channels} images,"
        f" {size.num_classes:,} classes, {size.num_examples:,} examples: {plan.num_steps:,} steps "
        f"of {config.training.batch_size} in {config.training.num_epochs} epochs",
        f"parameters {plan.num_parameters:,} ({_bytes(plan.parameter_bytes)}), optimizer "
        f"{_bytes(plan.optimizer_bytes)}, averages {_bytes(plan.other_state_bytes)}, "
        f"{_short(plan.flops_per_step)}FLOP a step",
    ]
    for share, cost in plan.costs.items():
        lines.append(
            f"{share} images on a device: temporaries (activations, gradients) "
            f"{_bytes(cost.temporary_bytes)}, {_short(cost.flops)}FLOP, "
            f"{_bytes(cost.bytes_accessed)} moved; compiled in {cost.compile_seconds:.0f} s"
        )
    return [*lines, *_table(plan.estimates), *_notes(plan)]


def _table(estimates: list[Estimate]) -> list[str]:
    head = ("machine", "mesh", "images each", "memory each", "of", "fits")
    rows = [(*head, "s/step", "limited by", "images/s", "hours")]
    problems = []
    for found in estimates:
        if found.problem:
            problems.append(f"{found.machine.name}: {found.problem}")
            continue
        mesh = ",".join(f"{name}:{ways}" for name, ways in found.mesh.items() if ways > 1)
        rows.append(
            (
                found.machine.name,
                mesh or "1 device",
                str(found.batch_size),
                _bytes(found.bytes_per_device),
                _bytes(found.machine.accelerator.memory_bytes),
                "yes" if found.fits else "NO",
                f"{found.step_seconds:.3g}",
                found.limit,
                f"{found.images_per_second:,.0f}",
                f"{found.hours:,.2f}" if found.hours < 10 else f"{found.hours:,.0f}",
            )
        )
    return [*in_columns(rows), *problems]


def _notes(plan: Plan) -> list[str]:
    counted = "Memory and traffic are as this machine's compiler counts them"
    if jax.default_backend() == "cpu":
        counted += ", which fuses less than an accelerator's"
        if plan.config.network.compute_dtype == "bfloat16":
            counted += " and holds bfloat16 as float32: an accelerator needs perhaps half"
    return [
        f"Estimates at {plan.utilization:.0%} of the peak arithmetic; nothing was "
        f"run. {counted}. Evaluation, compilation and waiting for photos come on top."
    ]


def _bytes(number: float) -> str:
    return f"{_short(number)}B"


def _short(number: float) -> str:
    for letter, unit in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return f"{number:.0f} "


def show_plan(config: TrainConfig, *, prefix: str = "") -> None:
    """Plan a run, and print the plan.

    Args:
      config: settings, some of them None.
      prefix: of the names of the flags with the plan's sizes.

    Raises:
      ValueError: if a setting or a size does not fit.
    """
    names = train.PLAN_FLAGS[prefix]
    num_classes, num_examples, utilization = (flags.FLAGS[name].value for name in names)
    command_line.prepare()
    size = find_size(config, num_classes=num_classes, num_examples=num_examples)
    found = make_plan(config, size, utilization=utilization or 0.0)
    print("\n".join(plan_lines(found)))


def run() -> None:
    """Be the command `jaxcnn plan`."""
    program = train.Program("jaxcnn plan", __doc__ or "")
    train.define_setting_flags(program)
    train.define_plan_flags()
    common = (*train.COMMON, *train.PLAN_FLAGS[""], "mesh")
    with command_line.running(
        program.doc, common=common, defaults=lambda: train.resolved_defaults(program)
    ):
        show_plan(train.read_config(program))
