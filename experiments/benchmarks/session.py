"""One run of the benchmark: what is measured in which order, and the report that comes of it."""

import contextlib
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.benchmarks import chart, contest, loading, machine, peaks, scaling, table
from experiments.benchmarks.contest import Settings
from experiments.benchmarks.results import speeds_of
from experiments.benchmarks.rows import Row
from experiments.benchmarks.workers import WorkerError
from jaxcnn.host.files import write_json

logger = logging.getLogger(__name__)


class Plan(NamedTuple):
    """What is to be measured, and where it is written to.

    Attributes:
      rows: of the comparison.
      settings: how they are run.
      grows: whether the rows show how speed and memory grow, and are written a line each.
      epochs_of: (name, size in pixels) of the networks whose whole epochs are timed.
      peaks: whether the machine's own peak is measured first.
      pipelines: whether the loading of photos is measured too.
      photos: folder of those; None draws some.
      json: file for the report; None writes none.
      chart: PNG file for a bar chart; None draws none.
    """

    rows: Sequence[Row]
    settings: Settings
    grows: bool
    epochs_of: Sequence[tuple[str, int]]
    peaks: bool
    pipelines: bool
    photos: str | None
    json: str | None
    chart: str | None


def measure(plan: Plan) -> dict[str, Any]:
    """Measure all that a plan says, and write its files.

    Args:
      plan: what to measure.

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
    # Photos are looked for first, so that a folder without any is named before hours have passed.
    photos_in = loading.photos_in(plan.photos) if plan.pipelines else contextlib.nullcontext()
    with photos_in as photos:
        counts = _count(plan)
        if plan.peaks:
            report["peaks"] = peaks.measure_peaks(plan.settings)
        _measure_rows(plan, counts, report)
        if photos is not None:
            logger.info("loading photos")
            report["pipelines"] = loading.measure_pipelines(photos, plan.settings)
    if plan.epochs_of:
        report["epochs"] = scaling.measure_epochs(plan.epochs_of, plan.settings)
    _write(plan, report)
    if plan.chart is not None and any(map(speeds_of, report["rows"])):
        line = f"{report['machine']['cpu']}, {report['machine']['cores']} cores"
        devices = [name for name in report["devices"] if name != "cpu"]
        about = f"{', '.join([line, *devices])}; {plan.settings.dtype}"
        chart.plot_speeds(plan.chart, report["rows"], machine=about)
    return report


def _check_folders(plan: Plan) -> None:
    """Find folders that are not there before anything is measured for long."""
    for path in filter(None, (plan.json, plan.chart)):
        if not Path(path).resolve().parent.is_dir():
            raise ValueError(f"{path} cannot be written: {Path(path).parent} is not a folder.")


def _count(plan: Plan) -> list[dict[str, Any]]:
    """Count operations and parameters of each row, which also finds sizes that do not fit."""
    spec = {"rows": [contest.describe(row, plan.settings) for row in plan.rows]}
    with contest.start_worker("counting", spec, plan.settings) as worker:
        try:
            return worker.ready()["counts"]
        except WorkerError as error:
            raise ValueError(str(error).removeprefix("ValueError: ")) from None


def _measure_rows(plan: Plan, counts: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    for number, (row, count) in enumerate(zip(plan.rows, counts, strict=True), start=1):
        logger.info(f"row {number}/{len(plan.rows)}: {row.title()}")
        found = contest.run_row(
            plan.settings.contestants,
            functools.partial(contest.start_contestant, row, plan.settings),
            rounds=plan.settings.rounds,
            seconds=plan.settings.seconds,
            num_parameters=count["num_parameters"],
        )
        report["rows"].append({**row._asdict(), **count, "contestants": found})
        _write(plan, report)


def _write(plan: Plan, report: dict[str, Any]) -> None:
    """Write the report's file whole, or leave what was there."""
    tried = [*report["rows"], *filter(None, [report.get("pipelines")])]
    report |= machine.versions_and_devices(tried)
    if plan.json is not None:
        write_json(Path(plan.json), report)


def text(plan: Plan, report: dict[str, Any]) -> str:
    """Write a report as the tables for the screen.

    Args:
      plan: what was measured.
      report: as `measure` returns.

    Returns:
      Lines.
    """
    peak = report.get("peaks", {})
    parts = [
        "\n".join([*machine.machine_lines(report), *([peaks.peak_line(peak)] if peak else [])])
    ]
    if plan.grows:
        parts.append(scaling.scaling_table(report["rows"]))
    else:
        parts.append(table.speed_table(report["rows"], peak_gflops=peak.get("gflops")))
    if "epochs" in report:
        parts.append(scaling.epoch_table(report["epochs"]))
    if "pipelines" in report:
        parts.append(loading.pipeline_table(report["pipelines"]))
    return "\n\n".join(parts)
