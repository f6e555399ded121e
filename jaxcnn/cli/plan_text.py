"""A plan, as lines to read."""

import jax

from jaxcnn.runs.planning.plan import Estimate, Plan

_UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def plan_lines(plan: Plan) -> list[str]:
    """Write a plan: what a step costs, and a table of machines.

    Args:
      plan: as `jaxcnn.runs.planning.plan.make_plan` gives.

    Returns:
      Lines.
    """
    config, size = plan.config, plan.size
    whole = config.image_size_px
    lines = [
        f"{config.model}, {config.compute_dtype}, {whole} x {whole} x {config.num_channels} images,"
        f" {size.num_classes:,} classes, {size.num_examples:,} examples: {plan.num_steps:,} steps "
        f"of {config.batch_size} in {config.num_epochs} epochs",
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
                _bytes(found.machine.chip.memory_bytes),
                "yes" if found.fits else "NO",
                f"{found.step_seconds:.3g}",
                found.limit,
                f"{found.images_per_second:,.0f}",
                f"{found.hours:,.2f}" if found.hours < 10 else f"{found.hours:,.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in rows]
    return [*(row.rstrip() for row in padded), *problems]


def _notes(plan: Plan) -> list[str]:
    counted = "Memory and traffic are as this machine's compiler counts them"
    if jax.default_backend() == "cpu":
        counted += ", which fuses less than an accelerator's"
        if plan.config.compute_dtype == "bfloat16":
            counted += " and holds bfloat16 as float32: an accelerator needs perhaps half"
    return [
        f"Estimates at {plan.utilization:.0%} of the peak arithmetic (--plan_utilization); nothing "
        f"was run. {counted}. Evaluation, compilation and waiting for photos come on top."
    ]


def _bytes(number: float) -> str:
    return f"{_short(number)}B"


def _short(number: float) -> str:
    for letter, unit in _UNITS:
        if number >= unit:
            return f"{number / unit:.3g} {letter}"
    return f"{number:.0f} "
