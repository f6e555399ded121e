"""Training speed of whole networks at their best batch size, against PyTorch and stock Flax."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from experiments.accelerator import children
from experiments.accelerator.children import Part, Result
from experiments.benchmarks import contest
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.rows import Row
from experiments.benchmarks.speeds import ratios, speeds_of
from experiments.benchmarks.workers import Worker, WorkerError
from jaxcnn.runs.planning.accelerators import find_accelerator

_ROWS = (
    (Row("resnet50", 224, "train", 64), "bfloat16"),
    (Row("mobilenet_v2", 224, "train", 64), "bfloat16"),
    (Row("six_conv", 150, "train", 128), "bfloat16"),
    (Row("resnet18", 112, "train", 128), "bfloat16"),
    (Row("resnet50", 224, "train", 64), "float32"),
    (Row("mobilenet_v2", 224, "train", 64), "float32"),
    (Row("six_conv", 150, "train", 128), "float32"),
    (Row("resnet18", 112, "train", 128), "float32"),
)
_TINY_ROWS = ((Row("six_conv", 64, "train", 4), "float32"),)
_MOST_DOUBLINGS = 4
_LEAST_SECONDS = 60.0  # for a row; with less left it is not begun
_WAYS_SHARE = 0.3  # of the stage's time, after the first row
_COUNTED_BATCH = 8


class Plan(NamedTuple):
    """How the stage is run.

    Attributes:
      tiny: one small network, for a moment.
      torch_python: the interpreter whose environment has PyTorch.
      device: the device's name, which its peak is looked up by.
      deadline: of `time.monotonic`.
    """

    tiny: bool
    torch_python: str
    device: str
    deadline: float

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    def settings(self, dtype: str) -> Settings:
        """Give the benchmark's settings for a row."""
        return Settings(
            contestants=("jaxcnn", "flax", "torch_compile"),
            rounds=1 if self.tiny else 3,
            seconds=0.1 if self.tiny else 1.5,
            dtype=dtype,
            reuse_memory=True,
            torch_python=self.torch_python,
            limit_seconds=max(self.left, 1.0),
        )


def stage(plan: Plan) -> Iterator[Result]:
    """Measure row by row, and after the first one the ways to train.

    Args:
      plan: how.

    Yields:
      Results; a row that there was no time for is one with a note.
    """
    rows = _TINY_ROWS if plan.tiny else _ROWS
    with _counting([row for row, _ in rows], plan) as counting:
        counts: list[dict[str, Any]] = []
        for number, (row, dtype) in enumerate(rows):
            title = f"{row.network} {row.size_px} px {dtype}"
            if not plan.tiny and plan.left < _LEAST_SECONDS:
                yield _told(title, "skipped: the stage's time limit was reached")
                continue
            try:
                counts = counts or counting.ready()["counts"]
                yield _measure(row, dtype, counts[number], plan)
            except (WorkerError, ValueError) as reason:
                yield _told(title, str(reason))
            if not number:
                deadline = time.monotonic() + (plan.left if plan.tiny else _WAYS_SHARE * plan.left)
                spec = {"tiny": plan.tiny}
                part = Part("ways to train", "experiments.accelerator.ways", spec)
                yield from children.run([part], deadline=deadline)


def _counting(rows: list[Row], plan: Plan) -> Worker:
    """Count operations beside all else: on the CPU, where nothing is computed."""
    described = [
        contest.describe(row._replace(batch_size=_COUNTED_BATCH), plan.settings("float32"))
        for row in rows
    ]
    return Worker(
        "experiments.benchmarks.counting",
        {"rows": described},
        environment={"JAX_PLATFORMS": "cpu"},
        limit_seconds=max(plan.left, 1.0),
    )


def _measure(row: Row, dtype: str, count: dict[str, Any], plan: Plan) -> Result:
    settings = plan.settings(dtype)
    search = {
        **contest.describe(row, settings),
        "contestant": "jaxcnn",
        "most": row.batch_size << (1 if plan.tiny else _MOST_DOUBLINGS),
        "search_seconds": plan.left / 6,
    }
    with contest.start_worker("experiments.accelerator.batch_search", search, settings) as worker:
        found = worker.ready()
    row = row._replace(batch_size=found["batch_size"])
    entries = _contest(row, plan.settings(dtype), count["num_parameters"])
    if not entries["torch_compile"]["turns"]:  # without a compiler, say
        only = plan.settings(dtype)._replace(contestants=("torch",))
        entries |= contest.compare(row, only, num_parameters=count["num_parameters"])
    return _result(row, dtype, {"contestants": entries}, count, found, plan.device)


def _contest(row: Row, settings: Settings, num_parameters: int) -> dict[str, contest.Entry]:
    """As `contest.compare`, but all get ready side by side, for compiling is most of the time."""
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(contest.launch(name, row, settings))
            for name in settings.contestants
        }
        return contest.run_row(
            settings.contestants,
            started.__getitem__,
            rounds=settings.rounds,
            seconds=settings.seconds,
            num_parameters=num_parameters,
        )


def _result(
    row: Row,
    dtype: str,
    measured: dict[str, Any],
    count: dict[str, Any],
    found: dict[str, Any],
    device: str,
) -> Result:
    speeds, notes = speeds_of(measured), []
    figures: dict[str, float] = {"batch": row.batch_size}
    figures |= {f"{name}, images/s": speed.median for name, speed in speeds.items()}
    if "jaxcnn" in speeds:
        own = ratios(measured)["jaxcnn"]
        figures |= {f"x {name}": ratio for name, ratio in own.items() if ratio == ratio}
        chip = find_accelerator(device)
        if chip is not None:
            flops = speeds["jaxcnn"].median * count["flops_per_image"]
            figures["share of peak"] = flops / chip.peak_flops(dtype)
        entry = measured["contestants"]["jaxcnn"]
        figures |= {"compile s": entry["compile_seconds"], "peak MiB": entry["peak_bytes"] / 2**20}
        if own["flax"] < 0.97:
            notes.append("stock Flax is faster here")
    notes += [
        f"{name}: {entry['reason']}"
        for name, entry in measured["contestants"].items()
        if entry.get("reason")
    ]
    tried = ", ".join(f"{size}: {speed:.0f}/s" for size, speed in found["speeds"].items())
    notes.append(f"batches {tried}; {found['ended']}")
    return {
        "group": "whole networks, training",
        "name": f"{row.network} {row.size_px} px {dtype}",
        "passed": None,
        "figures": figures,
        "note": "; ".join(notes),
    }


def _told(name: str, note: str) -> Result:
    return {"group": "whole networks, training", "name": name, "passed": None, "note": note}
