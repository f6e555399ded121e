"""Run the contestants of a row in turn, each in a process of its own."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.benchmarks.results import TORCH
from experiments.benchmarks.rows import Row, model_options, num_classes
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


def start_contestant(row: Row, settings: Settings, name: str) -> Worker:
    """Start a contestant of a row, by name."""
    spec = {**describe(row, settings), "contestant": name}
    is_torch = name in TORCH
    return start_worker(
        "torch_worker" if is_torch else "jax_worker", spec, settings, torch=is_torch
    )


def start_worker(
    module: str, spec: Mapping[str, Any], settings: Settings, *, torch: bool = False
) -> Worker:
    """Start a worker with what all of them need.

    Args:
      module: of `experiments.benchmarks`.
      spec: describes the task, as JSON values.
      settings: of the whole benchmark.
      torch: whether it runs in the environment that has PyTorch.

    Returns:
      The worker.
    """
    # So that several JAX processes fit on one accelerator: each takes three quarters of the memory
    # by default; what is in use is counted, not this.
    share = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.3"}
    return Worker(
        f"{__package__}.{module}",
        spec,
        python=settings.torch_python if torch else sys.executable,
        environment={} if torch or share.keys() <= os.environ.keys() else share,
        limit_seconds=settings.limit_seconds,
    )


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
    with contextlib.ExitStack() as stack:
        race = _Race(stack, num_parameters)
        for name in names:
            race.enter(name, launch)
        for number in range(1, rounds + 1):
            race.run_round(f"round {number}/{rounds}", seconds)
        race.finish()
        return race.entries


class _Race:
    """The workers that still run, and what each has told."""

    def __init__(self, stack: contextlib.ExitStack, num_parameters: int | None) -> None:
        self.entries: dict[str, Entry] = {}
        self._workers: dict[str, Worker] = {}
        self._stack, self._num_parameters = stack, num_parameters

    def enter(self, name: str, launch: Callable[[str], Worker]) -> None:
        logger.info(f"  {name}: getting ready")
        self.entries[name] = {"turns": []}
        with self._excluding(name):
            self._workers[name] = self._stack.enter_context(launch(name))
            facts = self._workers[name].ready()
            self.entries[name] |= facts
            expected, got = self._num_parameters, facts.get("num_parameters")
            if expected is not None and got != expected:
                raise WorkerError(f"is another network: {got:,} parameters, expected {expected:,}")
            logger.info(f"  {name}: ready after {facts['start_seconds']:.1f} s")

    def run_round(self, title: str, seconds: float) -> None:
        for name in list(self._workers):
            with self._excluding(name):
                turn = self._workers[name].run(seconds)
                self.entries[name]["turns"].append(turn)
                logger.info(f"  {title}: {name} {turn['images'] / turn['seconds']:.1f} images/s")

    def finish(self) -> None:
        for name in list(self._workers):
            with self._excluding(name):
                self.entries[name] |= self._workers[name].stop()

    @contextlib.contextmanager
    def _excluding(self, name: str) -> Iterator[None]:
        """Take a contestant out of the race if its worker fails."""
        try:
            yield
        except WorkerError as reason:
            self.entries[name]["reason"] = str(reason)
            logger.info(f"  {name}: {reason}")
            if worker := self._workers.pop(name, None):
                worker.close()
