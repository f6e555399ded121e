"""Check on an accelerator that all is right and fast: values, determinism, speed, CIFAR-10.

    python -m experiments.accelerator_check --out=DIR
        all stages, within nine minutes: DIR/results.json and a table, DIR/results.txt, written
        again after each result.
    python -m experiments.accelerator_check --out=DIR --cifar10=DATA
        with the time to 94 % of CIFAR-10's test images; DATA is a folder of train.jpegs, train.tsv,
        test.jpegs and test.tsv, or of train/ and test/ above the classes.
    python -m experiments.accelerator_check --out=DIR --stages=throughput
        one stage, with all of the time for it.
    python -m experiments.accelerator_check --out=DIR --tiny
        a small part of each stage, as the tests run it; also without an accelerator.

Needs no network and, beside JAX, Flax, Optax and Orbax, no package that the library needs for data;
PyTorch with torchvision is compared where it is there. Exit status 1 if a value or determinism
fails; what failed is named.
"""

import logging
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from absl import flags

from experiments.accelerator import children, cifar, cifar_data, determinism, parity, throughput
from experiments.accelerator.children import Part, Result
from experiments.accelerator.results import Results
from experiments.benchmarks.machine import describe_machine
from jaxcnn.cli import command_line, help_formatter
from jaxcnn.data.workers import usable_cores
from jaxcnn.host.names import unknown_name
from jaxcnn.host.outputs import GENERATOR, JSON, check_folder

logger = logging.getLogger("experiments.accelerator_check")  # as a program its name is __main__

# In the order of their worth, with their shares of the time.
STAGES = {"parity": 0.35, "determinism": 0.15, "throughput": 0.32, "cifar": 0.18}
_FACTS_SECONDS = 120.0

_OUT = flags.DEFINE_string("out", None, "folder for the results.")
_STAGES = flags.DEFINE_string("stages", ",".join(STAGES), "stages to run, comma-separated.")
_SECONDS = flags.DEFINE_float(
    "seconds", 520.0, "total time limit, seconds; what does not fit is skipped.", lower_bound=1.0
)
_CIFAR10 = flags.DEFINE_string(
    "cifar10", None, "folder of CIFAR-10; without it that stage is left out."
)
_TINY = flags.DEFINE_bool("tiny", False, "run a small part of each stage.")
_TORCH_PYTHON = flags.DEFINE_string(
    "torch_python", sys.executable, "the Python whose environment has PyTorch."
)
_OVERWRITE = command_line.define_overwrite()
_NAMES = ("out", "stages", "seconds", "cifar10", "tiny", "torch_python", "overwrite")
help_formatter.group("check", *_NAMES)
_TABLE = re.compile(rb"generator: jaxcnn")


def main() -> None:
    """Run the stages that the flags say, and end with status 1 where something failed."""
    # Told to end, it ends its children first, as at Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    deadline = time.monotonic() + _SECONDS.value
    if _OUT.value is None:
        raise ValueError("--out is missing; name a folder for the results.")
    chosen = _chosen_stages()
    folder = check_folder(_OUT.value, JSON, _TABLE, overwrite=_OVERWRITE.value)
    if _CIFAR10.value is not None:
        cifar_data.check(Path(_CIFAR10.value))
    results = Results(folder, {"generator": GENERATOR, "machine": describe_machine()})
    try:
        _run(chosen, results, deadline)
    except KeyboardInterrupt:
        logger.info("stopped")
    finally:
        print(results.table())
    if failed := results.failed():
        sys.exit("\n".join(["failed:", *failed]))


def _chosen_stages() -> list[str]:
    given = [name.strip() for name in _STAGES.value.split(",") if name.strip()]
    for name in given:
        if name not in STAGES:
            raise unknown_name("stage", name, list(STAGES))
    if not given:
        raise ValueError(f"stages is empty; expected some of {', '.join(STAGES)}.")
    return [name for name in STAGES if name in given]


def _run(chosen: list[str], results: Results, deadline: float) -> None:
    """Run stages, each with its share of what is left; what one leaves, the next ones have."""
    started = time.monotonic()
    device = _device(results, min(deadline, started + _FACTS_SECONDS))
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(chosen):
            left = deadline - time.monotonic()
            share = STAGES[name] / sum(STAGES[other] for other in chosen[number:])
            limit = share * left
            logger.info(f"{name}: up to {limit:.0f} s")
            begun = time.monotonic()
            ends = begun + limit
            for result in _STAGE[name](device, Path(scratch), ends):
                results.add(name, result)
            found = results.stages.get(name, [])
            judged = [result["passed"] for result in found if result["passed"] is not None]
            counts = f"{sum(judged)} of {len(judged)} passed" if judged else f"{len(found)} results"
            logger.info(f"{name}: {counts} in {time.monotonic() - begun:.0f} s")
            results.write(seconds=round(time.monotonic() - started, 1))


def _device(results: Results, deadline: float) -> str:
    """Ask JAX for its device, in a process of its own, and say it."""
    facts = Part("JAX", "experiments.accelerator.facts", {})
    (found,) = children.run([facts], deadline=deadline)
    if "device" not in found:
        raise ValueError(f"JAX does not start here: {found['note']}")
    device, platform = found["device"], found["platform"]
    results.write(device=device, platform=platform, versions=found["versions"])
    on_cpu = (
        "; no accelerator found, so the CPU is compared with itself" if platform == "cpu" else ""
    )
    logger.info(f"JAX {found['versions']['jax']} on {device}{on_cpu}")
    return device


def _parity(device: str, scratch: Path, ends: float) -> Iterator[Result]:
    return children.run(parity.parts(tiny=_TINY.value, cores=usable_cores()), deadline=ends)


def _determinism(device: str, scratch: Path, ends: float) -> Iterator[Result]:
    return determinism.stage(tiny=_TINY.value, folder=scratch, deadline=ends)


def _throughput(device: str, scratch: Path, ends: float) -> Iterator[Result]:
    return throughput.stage(throughput.Plan(_TINY.value, _TORCH_PYTHON.value, device, ends))


def _cifar(device: str, scratch: Path, ends: float) -> Iterator[Result]:
    if _CIFAR10.value is None:
        note = "skipped: --cifar10 is not given"
        return iter([{"name": "time to 94 %", "passed": None, "note": note}])
    spec: dict[str, Any] = {"folder": str(Path(_CIFAR10.value).absolute()), "tiny": _TINY.value}
    return children.run([Part("CIFAR-10", cifar.__name__, spec)], deadline=ends)


_STAGE: dict[str, Callable[[str, Path, float], Iterator[Result]]] = {
    "parity": _parity,
    "determinism": _determinism,
    "throughput": _throughput,
    "cifar": _cifar,
}

if __name__ == "__main__":
    with command_line.running(__doc__, common=_NAMES, answers=True):
        main()
