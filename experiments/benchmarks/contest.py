"""Run the contestants of a row in turn, each in a process of its own."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.benchmarks.rows import Row, model_options, num_classes
from experiments.benchmarks.speeds import TORCH
from experiments.benchmarks.workers import Worker, WorkerError

logger = logging.getLogger(__name__)

Entry = dict[str, Any]  # of one contestant: "turns", and "reason" where it did not come through


class Settings(NamedTuple):
    """How all rows are run."""

    contestants: tuple[str, ...]
    rounds: int
    seconds: float
    dtype: str
    reuse_memory: bool
    torch_python: str
    limit_seconds: float


def describe(row: Row, settings: Settings) -> dict[str, Any]:
    """Describe a row to a worker."""
    return {
        **row._asdict(),
        "dtype": settings.dtype,
        "reuse_memory": settings.reuse_memory,
        "num_classes": num_classes(row.network),
        "options": model_options(row.network),
    }


def start_worker(module: str, spec: Mapping[str, Any], settings: Settings) -> Worker:
    """Start a worker with what all of them need.

    Args:
      module: of `experiments.benchmarks`, or by its full name.
      spec: describes the task, as JSON values; a "contestant" of PyTorch's runs in its environment.
      settings: of the whole benchmark.

    Returns:
      The worker.
    """
    is_torch = str(spec.get("contestant")).startswith("torch")
    # So that several JAX processes fit on one accelerator: each takes three quarters of the memory
    # by default; what is in use is counted, not this.
    share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.3"}
    return Worker(
        module if "." in module else f"{__package__}.{module}",
        spec,
        python=settings.torch_python if is_torch else sys.executable,
        environment={} if is_torch or share.keys() <= os.environ.keys() else share,
        limit_seconds=settings.limit_seconds,
    )


def count(rows: Sequence[Row], settings: Settings) -> list[dict[str, Any]]:
    """Count operations and parameters of each row, which also finds sizes that do not fit."""
    spec = {"rows": [describe(row, settings) for row in rows]}
    with start_worker("counting", spec, settings) as worker:
        try:
            return worker.ready()["counts"]
        except WorkerError as error:
            raise ValueError(str(error).removeprefix("ValueError: ")) from None


def compare(row: Row, settings: Settings, *, num_parameters: int) -> dict[str, Entry]:
    """Let the contestants run a row's network in turn, see `run_row`."""
    return run_row(
        settings.contestants,
        lambda name: launch(name, row, settings),
        rounds=settings.rounds,
        seconds=settings.seconds,
        num_parameters=num_parameters,
    )


def launch(name: str, row: Row, settings: Settings) -> Worker:
    """Start the worker of a contestant."""
    spec = {**describe(row, settings), "contestant": name}
    return start_worker("torch_worker" if name in TORCH else "jax_worker", spec, settings)


def run_row(
    names: Sequence[str],
    launch: Callable[[str], Worker],
    *,
    rounds: int,
    seconds: float,
    num_parameters: int | None = None,
) -> dict[str, Entry]:
    """Let contestants run in turn: each once in every round.

    One that cannot take part, or dies, is left out from then on, and the others go on.

    Args:
      names: the contestants.
      launch: starts the worker of one.
      rounds: turns of each.
      seconds: of a turn, about.
      num_parameters: how many each has to have; None does not check.

    Returns:
      For each contestant what its worker told, "turns", "peak_bytes"; "reason" instead where it
      did not come through.
    """
    entries: dict[str, Entry] = {name: {"turns": []} for name in names}
    workers: dict[str, Worker] = {}

    @contextlib.contextmanager
    def leaving_out(name: str) -> Iterator[None]:
        try:
            yield
        except WorkerError as reason:
            entries[name]["reason"] = str(reason)
            logger.info(f"  {name}: {reason}")
            if worker := workers.pop(name, None):
                worker.close()

    with contextlib.ExitStack() as stack:
        for name in names:
            logger.info(f"  {name}: getting ready")
            with leaving_out(name):
                workers[name] = stack.enter_context(launch(name))
                facts = workers[name].ready()
                entries[name] |= facts
                got = facts.get("num_parameters")
                if num_parameters not in (None, got):
                    expected = f"expected {num_parameters:,}"
                    raise WorkerError(f"is another network: {got:,} parameters, {expected}")
                logger.info(f"  {name}: ready after {facts['start_seconds']:.1f} s")
        for number in range(1, rounds + 1):
            for name in list(workers):
                with leaving_out(name):
                    turn = workers[name].run(seconds)
                    entries[name]["turns"].append(turn)
                    speed = f"{turn['images'] / turn['seconds']:.1f} images/s"
                    logger.info(f"  round {number}/{rounds}: {name} {speed}")
        for name in list(workers):
            with leaving_out(name):
                entries[name] |= workers[name].stop()
    return entries
