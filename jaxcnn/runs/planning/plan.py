"""What a run will cost, before it is run: memory, arithmetic and hours, on rented machines.

The training step is compiled on this machine, for the part of a batch that one device of the other
machine has; nothing is run and no image is read. What the compiler counts goes into formulas:

    memory = state + gathered parameters + batch + temporaries
    seconds per step = max(FLOPs / (peak utilization), bytes / bandwidth) + exchange
    exchange = (2 (n - 1) / n gradients + (f - 1) / f parameters) / link

with n devices, f of them along "fsdp", gradients as large as the trained parameters. The first term
of the exchange is a ring's all-reduce (Patarasuk & Yuan 2009, "Bandwidth optimal all-reduce"), the
second gathers what is split (`sharding.Layout`); neither is taken to overlap with arithmetic.
"""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import jax
from jax.sharding import AbstractMesh, Mesh

from jaxcnn.data.image_size import sides
from jaxcnn.data.set_sizes import count_classes_and_examples
from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.planning.accelerators import MACHINES, Machine
from jaxcnn.runs.planning.step_cost import StepCost, measure_step, state_shapes, tree_bytes
from jaxcnn.training.progressive_resizing import mean_area
from jaxcnn.training.sharding import Layout, parse_mesh
from jaxcnn.training.state import count_parameters
from jaxcnn.types import PyTree, TrainState

logger = logging.getLogger(__name__)


_KNOWN_SIZES = {"imagenet2012": (1000, 1_281_167)}


class DataSize(NamedTuple):
    """How much there is to train on."""

    num_classes: int
    num_examples: int


class Estimate(NamedTuple):
    """What a run comes to on one machine.

    Attributes:
      machine: which.
      mesh: its devices by axis.
      batch_size: examples of one device.
      bytes_per_device: memory needed.
      fits: whether the device has as much.
      step_seconds: time of a step.
      limit: what takes the longest: "arithmetic", "memory traffic" or "exchange".
      images_per_second: of all devices, which the hosts must deliver.
      hours: of all steps, evaluation left out.
      problem: why there are no figures; "" where there are.
    """

    machine: Machine
    mesh: dict[str, int]
    batch_size: int = 0
    bytes_per_device: float = 0.0
    fits: bool = False
    step_seconds: float = math.nan
    limit: str = ""
    images_per_second: float = math.nan
    hours: float = math.nan
    problem: str = ""


class Plan(NamedTuple):
    """What a run comes to.

    Attributes:
      config: complete settings.
      size: of the training data.
      num_parameters: of the network.
      parameter_bytes: of the parameters, whole.
      optimizer_bytes: of the optimizer's state, whole.
      other_state_bytes: of BatchNorm's averages and the moving averages.
      flops_per_step: of all devices.
      num_steps: of the whole run.
      utilization: share of the peak that is reached.
      costs: of a step, by the number of examples of a device.
      estimates: one for each machine.
    """

    config: TrainConfig
    size: DataSize
    num_parameters: int
    parameter_bytes: int
    optimizer_bytes: int
    other_state_bytes: int
    flops_per_step: float
    num_steps: int
    utilization: float
    costs: dict[int, StepCost]
    estimates: list[Estimate]


def find_size(
    config: TrainConfig, *, num_classes: int | None = None, num_examples: int | None = None
) -> DataSize:
    """Find how much there is to train on, without reading an image.

    Args:
      config: settings, some of them None.
      num_classes: to be taken as it is; None asks the data set.
      num_examples: likewise.

    Returns:
      Classes and training examples.

    Raises:
      ValueError: if a number is below 1, or the data set cannot be found.
    """
    for name, value in (("num_classes", num_classes), ("num_examples", num_examples)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be a number above 0, got {value}.")
    if num_classes is None or num_examples is None:
        known = _KNOWN_SIZES.get(config.data.dataset) or count_classes_and_examples(
            config.data.dataset,
            data_dir=config.data.data_dir,
            validation_fraction=config.data.validation_fraction,
            test_fraction=config.data.test_fraction,
            labels=config.data.labels,
            columns=config.data.columns,
        )
        num_classes = num_classes or known[0]
        num_examples = num_examples or known[1]
    most = config_lib.resolve(config).data.max_train_examples
    return DataSize(num_classes, min(num_examples, most) if most else num_examples)


def make_plan(
    config: TrainConfig,
    size: DataSize,
    *,
    utilization: float = 0.4,
    machines: Sequence[Machine] = MACHINES,
) -> Plan:
    """Plan a run.

    Args:
      config: settings, some of them None.
      size: of the training data.
      utilization: share of the peak arithmetic that is reached, in (0, 1].
      machines: to plan for.

    Returns:
      The plan.

    Raises:
      ValueError: if a setting is wrong, or utilization out of range.
    """
    if not 0 < utilization <= 1:
        raise ValueError(f"utilization must be in (0, 1], got {utilization}.")
    config = build.settle_dtype(config_lib.resolve(config))
    state = state_shapes(config, size.num_classes)
    steps_per_epoch = max(1, size.num_examples // config.training.batch_size)
    started = [_start(config, machine) for machine in machines]
    costs: dict[int, StepCost] = {}
    for share in sorted({found.batch_size for found in started if not found.problem}):
        logger.info(f"compiling a step of {config.network.model} for {share} images per device ...")
        costs[share] = measure_step(config, size.num_classes, share)
    phase = plan_phases(config)[-1]
    num_steps = phase.num_epochs * steps_per_epoch
    # Steps on smaller images cost less, by their area.
    shorter_px = min(sides(config.data.image_size_px))
    full_steps = num_steps * mean_area(phase.progressive_resizing, shorter_px)
    estimates = [
        found if found.problem else _finish(found, costs, state, config, full_steps, utilization)
        for found in started
    ]
    flops = max(
        (c.flops / n * config.training.batch_size for n, c in costs.items()), default=math.nan
    )
    return Plan(
        config=config,
        size=size,
        num_parameters=count_parameters(state.params),
        parameter_bytes=tree_bytes(state.params),
        optimizer_bytes=tree_bytes(state.opt_state),
        other_state_bytes=tree_bytes((state.batch_stats, state.ema_params, state.ema_batch_stats)),
        flops_per_step=flops,
        num_steps=num_steps,
        utilization=utilization,
        costs=costs,
        estimates=estimates,
    )


def state_bytes_per_device(state: PyTree, mesh: dict[str, int]) -> int:
    """Count the bytes of a state that one device holds, by the rule of `sharding.Layout`.

    Args:
      state: arrays or their shapes.
      mesh: sizes of the axes "data" and "fsdp".

    Returns:
      Number of bytes: the whole of small arrays, 1 / fsdp of the others.

    Example:
      >>> state = {"kernel": jax.ShapeDtypeStruct((64, 128), "float32")}
      >>> state_bytes_per_device(state, {"data": 1, "fsdp": 4})
      8192
    """
    # Shapes are all that the rule asks for, so the devices need not be there.
    layout = Layout(cast(Mesh, AbstractMesh(tuple(mesh.values()), tuple(mesh))))
    return sum(
        math.prod(layout.split(leaf.shape).shard_shape(tuple(leaf.shape))) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(state)
    )


def exchange_seconds(
    gradient_bytes: float, gathered_bytes: float, mesh: dict[str, int], link_bandwidth: float
) -> float:
    """Compute the time of a step's communication, as the module's formula says.

    Args:
      gradient_bytes: of all gradients.
      gathered_bytes: of the parameters that are split along "fsdp".
      mesh: sizes of the axes "data" and "fsdp".
      link_bandwidth: bytes per second that leave a device.

    Returns:
      Seconds.

    Example:
      >>> exchange_seconds(100e6, 0, {"data": 8, "fsdp": 1}, 200e9) * 1e3
      0.875
    """
    devices, fsdp = math.prod(mesh.values()), mesh["fsdp"]
    reduced = 2 * (devices - 1) / devices * gradient_bytes
    gathered = (fsdp - 1) / fsdp * gathered_bytes
    return (reduced + gathered) / link_bandwidth


def _start(config: TrainConfig, machine: Machine) -> Estimate:
    """Lay a machine's devices out, and tell each one's share of a batch."""
    batch_size, parts = config.training.batch_size, config.training.accumulate_steps
    try:
        mesh = parse_mesh(config.run.mesh, machine.num_devices, batch_size=batch_size)
    except ValueError as error:
        return Estimate(machine, {}, problem=str(error))
    devices = math.prod(mesh.values())
    if batch_size % (devices * parts):
        in_parts = f" in {parts} parts" if parts > 1 else ""
        problem = f"batch_size {batch_size} is no multiple of {devices}{in_parts}"
        return Estimate(machine, mesh, problem=problem)
    return Estimate(machine, mesh, batch_size // devices)


def _finish(
    found: Estimate,
    costs: dict[int, StepCost],
    state: TrainState,
    config: TrainConfig,
    num_steps: float,
    utilization: float,
) -> Estimate:
    cost, device, mesh = costs[found.batch_size], found.machine.accelerator, found.mesh
    gradients = tree_bytes(state.params)
    gathered = gradients if mesh["fsdp"] > 1 else 0
    kept = state_bytes_per_device(state, mesh) + gathered
    needed = kept + cost.batch_bytes + cost.temporary_bytes
    times = {
        "arithmetic": cost.flops / (device.peak_flops(config.network.compute_dtype) * utilization),
        "memory traffic": cost.bytes_accessed / device.memory_bandwidth,
    }
    exchange = exchange_seconds(gradients, gathered, mesh, device.link_bandwidth)
    step_seconds = max(times.values()) + exchange
    times["exchange"] = exchange
    return found._replace(
        bytes_per_device=needed,
        fits=needed <= device.memory_bytes,
        step_seconds=step_seconds,
        limit=max(times, key=lambda name: times[name]),
        images_per_second=config.training.batch_size / step_seconds,
        hours=num_steps * step_seconds / 3600,
    )
