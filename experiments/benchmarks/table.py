"""The results as text: aligned tables for the screen."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.results import CONTESTANTS, ratios, row_speeds, shown
from experiments.benchmarks.rows import Row

_HEADINGS = (
    "",
    "images/s",
    "least..most",
    "x Flax",
    "x PyTorch",
    "compile s",
    "peak MiB",
    "Gflop/s",
)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Put cells under each other, the first column to the left and the others to the right.

    Example:
      >>> align([("a", "1"), ("bc", "20")])
      ['a    1', 'bc  20']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def speed_table(rows: Sequence[Mapping[str, Any]], *, peak_gflops: float | None = None) -> str:
    """Write the comparison of all rows.

    Args:
      rows: as `contest.run_row` returns their contestants, with the fields of `Row` and
        "flops_per_image".
      peak_gflops: the machine's, to give each contestant's share of it; None leaves that out.

    Returns:
      Lines: for each row its title and one line per contestant.
    """
    headings = [*_HEADINGS, *(["of peak"] if peak_gflops else [])]
    cells = [headings]
    notes: dict[int, str] = {}
    for row in rows:
        title = Row.of(row).title()
        notes[len(cells)] = title
        cells.append([""] * len(headings))
        speeds = row_speeds(row)
        for name in shown(row):
            label = f"  {CONTESTANTS[name]}"
            if name in speeds:
                cells.append([label, *_figures(row, name, peak_gflops)])
            else:
                reason = row["contestants"][name].get("reason", "no turn")
                notes[len(cells)] = f"{label}: {reason}"
                cells.append([""] * len(headings))
    lines = align(cells)
    return "\n".join(notes.get(i, line) for i, line in enumerate(lines))


def _figures(row: Mapping[str, Any], name: str, peak_gflops: float | None) -> list[str]:
    entry, found = row["contestants"][name], row_speeds(row)[name]
    ratio = ratios(row)[name]
    gflops = found.median * row["flops_per_image"] / 1e9
    figures = [
        number(found.median),
        f"{number(found.low)}..{number(found.high)}",
        times(ratio["flax"]),
        times(ratio["pytorch"]),
        f"{entry['compile_seconds']:.1f}" if entry["compile_seconds"] else "-",
        f"{entry['peak_bytes'] / 2**20:,.0f}",
        number(gflops),
    ]
    return [*figures, f"{gflops / peak_gflops:.0%}"] if peak_gflops else figures


def number(value: float) -> str:
    """Write a number with three digits, or all of a larger one.

    Example:
      >>> number(1.7249), number(85.26), number(31278.4)
      ('1.72', '85.3', '31,278')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    """Write a ratio; "-" where there is nothing to compare with."""
    return "-" if math.isnan(ratio) else f"{ratio:.2f}"
