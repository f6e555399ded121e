"""One run of the benchmark: what is measured in which order, and the report that comes of it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmarks import (
    chart,
    contest,
    loading,
    machine,
    peaks,
    scaling,
    table,
)
from experiments.benchmarks.contest import Say, Settings
from experiments.benchmarks.results import row_speeds
from experiments.benchmarks.rows import Row, make_rows, scaling_rows
from experiments.benchmarks.workers import WorkerError
from jaxcnn.host.files import write_json

_SCALING_NETWORKS = (("six_conv", 64),)


class Plan(NamedTuple):
    """What the flags of `experiments.benchmark` say; see there."""

    networks: Sequence[tuple[str, int]] | None
    modes: Sequence[str]
    batch_sizes: Sequence[int] | None
    settings: Settings
    photos: str | None
    pipelines: bool
    scaling: bool
    peaks: bool
    json: str | None
    chart: str | None

    def rows(self) -> list[Row]:
        """List the rows to measure."""
        if self.scaling:
            return scaling_rows(self.scaling_networks(), self.modes)
        return make_rows(self.networks, self.modes, self.batch_sizes)

    def scaling_networks(self) -> Sequence[tuple[str, int]]:
        """List the networks whose growth is measured."""
        return self.networks or _SCALING_NETWORKS


def measure(plan: Plan, *, say: Say) -> dict[str, Any]:
    """Measure all that a plan says, and write its files.

    Args:
      plan: what to measure.
      say: takes lines of progress.

    Returns:
      The report, as JSON values; `plan.json` is written again after each row.

    Raises:
      ValueError: if a network does not take its size, or a folder has no photo.
      OSError: if a file cannot be written.
    """
    report: dict[str, Any] = {
        "machine": machine.describe_machine(),
        "settings": plan.settings._asdict(),
        "versions": {},
        "devices": [],
        "rows": [],
    }
    _check_folders(plan)
    with _photos(plan, say) as photos:
        counts = _count(plan)
        if plan.peaks:
            report["peaks"] = peaks.measure_peaks(plan.settings, say=say)
        _measure_rows(plan, counts, report, say)
        if photos is not None:
            say("loading photos")
            report["pipelines"] = loading.measure_pipelines(
                photos, plan.settings, say=_indented(say)
            )
    if plan.scaling and "train" in plan.modes:
        report["epochs"] = scaling.measure_epochs(plan.scaling_networks(), plan.settings, say=say)
    _finish(plan, report)
    return report


def _photos(plan: Plan, say: Say) -> contextlib.AbstractContextManager[loading.Photos | None]:
    if plan.pipelines and not plan.scaling:
        return loading.provide_photos(plan.photos, say)
    return contextlib.nullcontext()


def _measure_rows(
    plan: Plan, counts: Sequence[dict[str, Any]], report: dict[str, Any], say: Say
) -> None:
    rows = plan.rows()
    for number, (row, count) in enumerate(zip(rows, counts, strict=True), start=1):
        say(f"row {number}/{len(rows)}: {row.title()}")
        found = contest.run_row(
            plan.settings.contestants,
            contest.launcher(row, plan.settings),
            rounds=plan.settings.rounds,
            seconds=plan.settings.seconds,
            say=_indented(say),
            num_parameters=count["num_parameters"],
        )
        report["rows"].append({**row._asdict(), **count, "contestants": found})
        _write(plan, report)


def _indented(say: Say) -> Say:
    return lambda text: say(f"  {text}")


def _count(plan: Plan) -> list[dict[str, Any]]:
    """Count operations and parameters of each row, which also finds sizes that do not fit."""
    spec = {"rows": [contest.describe(row, plan.settings) for row in plan.rows()]}
    with contest.start_worker("counting", spec, plan.settings) as worker:
        try:
            return worker.ready()["counts"]
        except WorkerError as error:
            raise ValueError(str(error).removeprefix("ValueError: ")) from None


def _check_folders(plan: Plan) -> None:
    """Find folders that are not there before anything is measured for long."""
    for path in filter(None, (plan.json, plan.chart)):
        if not Path(path).resolve().parent.is_dir():
            raise ValueError(f"{path} cannot be written: {Path(path).parent} is no folder.")


def _write(plan: Plan, report: dict[str, Any]) -> None:
    """Write the report's file whole, or leave what was there."""
    tried = [*report["rows"], *filter(None, [report.get("pipelines")])]
    report |= machine.versions_and_devices(tried)
    if plan.json is not None:
        write_json(Path(plan.json), report)


def _finish(plan: Plan, report: dict[str, Any]) -> None:
    _write(plan, report)
    if plan.chart is not None and any(row_speeds(row) for row in report["rows"]):
        line = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        devices = [name for name in report["devices"] if name != "cpu"]
        about = f"{', '.join([line, *devices])}; {plan.settings.dtype}"
        chart.plot_speeds(plan.chart, report["rows"], machine=about)


def text(report: dict[str, Any], *, by_scale: bool = False) -> str:
    """Write a report as the tables for the screen.

    Args:
      report: as `measure` returns.
      by_scale: whether its rows show growth, and are written a line each.

    Returns:
      Lines.
    """
    peak = report.get("peaks")
    parts = [
        "\n".join([*machine.machine_lines(report), *([peaks.peak_line(peak)] if peak else [])])
    ]
    if by_scale:
        parts.append(scaling.scaling_table(report["rows"]))
    else:
        gflops = peak.get("gflops") if peak else None
        parts.append(table.speed_table(report["rows"], peak_gflops=gflops))
    if "epochs" in report:
        parts.append(scaling.epoch_table(report["epochs"]))
    if "pipelines" in report:
        parts.append(loading.pipeline_table(report["pipelines"]))
    return "\n\n".join(parts)
