"""What the stages say, kept: `results.json` after each result, and a table, `results.txt`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.accelerator.children import Result
from jaxcnn.host.files import write_json, write_text
from jaxcnn.host.text import in_columns

JSON, TABLE = "results.json", "results.txt"
_MARKS = {True: "ok", False: "FAILED", None: ""}


class Results:
    """All results so far, in files that are whole at any time.

    A result has "name", "passed" (None where nothing is judged), and may have "group", "figures"
    (numbers by their names) and "note".

    Args:
      folder: where the files go; it exists.
      about: facts of the machine and the check.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder, self._about = folder, dict(about)
        self.stages: dict[str, list[Result]] = {}

    def add(self, stage: str, result: Result) -> None:
        """Keep a result, in both files."""
        self.stages.setdefault(stage, []).append(result)
        self.write()

    def write(self, **about: Any) -> None:
        """Write both files again, with more facts."""
        self._about |= about
        write_json(self._folder / JSON, {**self._about, "stages": self.stages})
        write_text(self._folder / TABLE, self.table() + "\n")

    def failed(self) -> list[str]:
        """Name what did not pass, a line each."""
        return [
            f"{stage}: {result['name']}: {result.get('note') or 'failed'}"
            for stage, found in self.stages.items()
            for result in found
            if result["passed"] is False
        ]

    def table(self) -> str:
        """Write all results as text: a table for each group of each stage."""
        facts = [
            f"{key}: {', '.join(f'{k} {v}' for k, v in value.items())}"
            if isinstance(value, Mapping)
            else f"{key}: {value}"
            for key, value in self._about.items()
        ]
        tables = [
            group_table(stage if not group else f"{stage}, {group}", members)
            for stage, found in self.stages.items()
            for group, members in _by_group(found).items()
        ]
        return "\n\n".join(["\n".join(facts), *tables])


def _by_group(found: list[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in found:
        groups.setdefault(result.get("group", ""), []).append(result)
    return groups


def group_table(title: str, found: list[Result]) -> str:
    """Write a group of results as a table; notes stand below it.

    Example:
      >>> row = {"name": "a", "passed": None, "figures": {"images/s": 1234.5}}
      >>> print(group_table("speed", [row]))
      speed  images/s
      a         1,234
    """
    names = list(dict.fromkeys(name for result in found for name in result.get("figures", {})))
    judged = any(result["passed"] is not None for result in found)
    lines: list[list[str] | str] = [[title, *names, *([""] if judged else [])]]
    for result in found:
        figures = result.get("figures", {})
        cells = [figure(figures[name]) if name in figures else "-" for name in names]
        lines.append([result["name"], *cells, *([_MARKS[result["passed"]]] if judged else [])])
    notes = [f"  {r['name']}: {r['note']}" for r in found if r.get("note")]
    return "\n".join([*in_columns(lines, left=1), *notes])


def figure(value: float) -> str:
    """Write a number with about three digits.

    Example:
      >>> figure(0.000123), figure(0.5), figure(12.34), figure(12345.6), figure(0)
      ('1.2e-04', '0.500', '12.3', '12,346', '0')
    """
    if value == 0 or (isinstance(value, int) and abs(value) < 1000):
        return f"{value:g}"
    if abs(value) < 0.01:
        return f"{value:.1e}"
    return (
        f"{value:.3f}"
        if abs(value) < 10
        else f"{value:.1f}"
        if abs(value) < 100
        else f"{value:,.0f}"
    )
