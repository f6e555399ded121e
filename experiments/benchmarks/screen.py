"""The results as text: aligned tables for the screen."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.loading import PIPELINES
from experiments.benchmarks.rows import Row
from experiments.benchmarks.speeds import (
    CONTESTANTS,
    Speed,
    other_cores,
    ratios,
    reason_of,
    shown,
    speeds_of,
)
from jaxcnn.host.text import in_columns

_HEADINGS = (
    *("", "images/s", "least..most", "x Flax", "x PyTorch"),
    *("compile s", "peak MiB", "Gflop/s"),
)
_BUSY_SHARE = 0.1  # of the cores, above which the figures are doubtful


def report_text(report: Mapping[str, Any], *, grows: bool) -> str:
    """Write a report as the tables for the screen.

    Args:
      report: all that was measured.
      grows: whether its rows show how speed and memory grow, and are written a line each.

    Returns:
      Lines.
    """
    peak = report.get("peaks", {})
    head = [*machine_lines(report), *([peak_line(peak)] if peak else [])]
    rows, gflops = report["rows"], peak.get("gflops")
    parts = ["\n".join(head), scaling_table(rows) if grows else speed_table(rows, gflops)]
    for name, write in (("epochs", epoch_table), ("pipelines", pipeline_table)):
        if name in report:
            parts.append(write(report[name]))
    return "\n\n".join(parts)


def machine_lines(report: Mapping[str, Any]) -> list[str]:
    """Write the machine, the versions and the settings, a line each.

    Args:
      report: the whole report: "machine", "versions", "devices", "settings".

    Returns:
      Lines for the screen.
    """
    machine, settings = report["machine"], report["settings"]
    memory = f", {machine['memory_bytes'] / 2**30:.0f} GiB" if machine["memory_bytes"] else ""
    versions = " ".join(f"{name} {version}" for name, version in report["versions"].items())
    busy = other_cores(report["rows"])
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores{memory}, {machine['system']}; "
        f"devices: {', '.join(report['devices']) or 'none'}",
        f"python {machine['python']} {versions}",
        f"{settings['dtype']}, {settings['rounds']} turns of about {settings['seconds']:g} s each, "
        "in turn; each as it comes, PyTorch channels_last",
    ]
    if busy > _BUSY_SHARE * machine["cores"]:
        lines.append(
            f"CAUTION: other programs kept {busy:.1f} of {machine['cores']} cores busy meanwhile; "
            "no figure here is what an idle machine gives, and ratios may be wrong too"
        )
    return lines


def peak_line(peaks: dict[str, Any]) -> str:
    """Write the peaks on one line."""
    libraries = ", ".join(f"{name} {value:,.0f}" for name, value in peaks["by_library"].items())
    copied = peaks.get("copy_gb_per_s")
    memory = f"; memory {copied:.1f} GB/s, read and written" if copied else ""
    return f"peak: matrix products {libraries or 'not measured'} Gflop/s{memory}"


def speed_table(rows: Sequence[Mapping[str, Any]], peak_gflops: float | None = None) -> str:
    """Write the comparison of all rows.

    Args:
      rows: as `contest.run_row` returns their contestants, with the fields of `Row` and
        "flops_per_image".
      peak_gflops: the machine's, to give each contestant's share of it; None leaves that out.

    Returns:
      Lines: for each row its title and one line per contestant.
    """
    lines: list[Sequence[str] | str] = [[*_HEADINGS, *(["of peak"] if peak_gflops else [])]]
    for row in rows:
        lines.append(Row.of(row).title())
        speeds = speeds_of(row)
        for name in shown(row):
            label = f"  {CONTESTANTS[name]}"
            if name in speeds:
                lines.append([label, *_figures(row, name, speeds[name], peak_gflops)])
            else:
                lines.append(f"{label}: {reason_of(row['contestants'][name])}")
    return "\n".join(in_columns(lines, left=1))


def _figures(
    row: Mapping[str, Any], name: str, found: Speed, peak_gflops: float | None
) -> list[str]:
    entry, ratio = row["contestants"][name], ratios(row)[name]
    gflops = found.median * row["flops_per_image"] / 1e9
    figures = [
        number(found.median),
        spread(found),
        times(ratio["flax"]),
        times(ratio["pytorch"]),
        f"{entry['compile_seconds']:.1f}" if entry["compile_seconds"] else "-",
        mebibytes(entry["peak_bytes"]),
        number(gflops),
    ]
    return [*figures, f"{gflops / peak_gflops:.0%}"] if peak_gflops else figures


def scaling_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write speed and memory of all contestants side by side, one line per row.

    Args:
      rows: with the fields of `Row`; "contestants" is as `contest.run_row` returns.

    Returns:
      Lines for the screen.
    """
    names = list(rows[0]["contestants"])
    headings = [label for name in names for label in (CONTESTANTS[name], "")]
    lines: list[list[str] | str] = [["images/s, peak MiB", *headings]]
    reasons = []
    for row in rows:
        title, speeds = Row.of(row).title(), speeds_of(row)
        figures = []
        for name, entry in row["contestants"].items():
            if name in speeds:
                figures += [number(speeds[name].median), mebibytes(entry["peak_bytes"])]
            else:
                figures += ["-", "-"]
                reasons.append(f"{title}: {CONTESTANTS[name]}: {reason_of(entry)}")
        lines.append([title, *figures])
    return "\n".join(in_columns([*lines, *reasons], left=1))


def epoch_table(epochs: Sequence[Mapping[str, Any]]) -> str:
    """Write the times of whole epochs.

    Args:
      epochs: as `measure_epochs` returns.

    Returns:
      Lines for the screen.
    """
    lines = [["an epoch of jaxcnn, batches made and all", "images", "seconds", "peak MiB"]]
    for epoch in epochs:
        title = f"  {epoch['network']} {epoch['size_px']} px, batch {epoch['batch_size']}"
        if "seconds" in epoch:
            outcome = [f"{epoch['seconds']:.1f}", mebibytes(epoch["peak_bytes"])]
        else:
            outcome = [epoch["reason"], "-"]
        lines.append([title, f"{epoch['num_images']:,}", *outcome])
    return "\n".join(in_columns(lines, left=1))


def pipeline_table(result: Mapping[str, Any]) -> str:
    """Write the comparison of the ways to load photos.

    Args:
      result: as `measure_pipelines` returns.

    Returns:
      Lines for the screen.
    """
    title = (
        f"loading {result['num_photos']} photos to {result['size_px']} px, "
        f"batches of {result['batch_size']}"
    )
    speeds = speeds_of(result)
    own = speeds["jaxcnn"].median if "jaxcnn" in speeds else math.nan
    lines: list[list[str] | str] = [[title, "images/s", "least..most", "per core", "x jaxcnn"]]
    for name, found in speeds.items():
        a_core = number(found.median / result["cores"])
        figures = [number(found.median), spread(found), a_core, times(found.median / own)]
        lines.append([f"  {PIPELINES[name]}", *figures])
    for name, entry in result["contestants"].items():
        if name not in speeds:
            lines.append(f"  {PIPELINES[name]}: {reason_of(entry)}")
    return "\n".join(in_columns(lines, left=1))


def number(value: float) -> str:
    """Write a number with three digits, or all of a larger one.

    Example:
      >>> number(1.7249), number(85.26), number(31278.4)
      ('1.72', '85.3', '31,278')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(found: Speed) -> str:
    """Write the least and the greatest speed."""
    return f"{number(found.low)}..{number(found.high)}"


def times(ratio: float) -> str:
    """Write a ratio; "-" where there is nothing to compare with."""
    return "-" if math.isnan(ratio) else f"{ratio:.2f}"


def mebibytes(count: float) -> str:
    """Write a number of bytes in MiB, without the unit."""
    return f"{count / 2**20:,.0f}"
