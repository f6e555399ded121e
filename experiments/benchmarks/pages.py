"""Pages that show measurements: tables between markers, figures in sentences, a page of all.

A table stands in a page between two comments, `<!-- table: NAME -->` and `<!-- end of table -->`.
`<!-- table: NAME (KEY, KEY) -->` shows these columns alone, in this order.
"""

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.benchmarks.measurements import ROOMS, Column, Measurement, Sentence
from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import duration, percent

_UNITS = {
    **{"us": 1e-6, "ms": 1e-3, "min": 60, "h": 3600},  # seconds are written without a unit
    **{"kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    **{"million": 1e6, "%": 0.01},  # of the latter the sign is not written, as in a transcript
}
_BEGIN, _END = r"<!-- table: ([\w-]+)(?: \(([^)]*)\))? -->[ \t]*\n", "<!-- end of table -->"
# A number as `written` makes them: 2,991 or 2:44 or 4.2e-5 or > 99.9 %.
_NUMBER = r"(?:(?<!-)[<>]\s)?[-+]?\d(?:[\d.,:]*\d)?(?:e-?\d+)?(?:\s%)?"
_TEXT = r"\S.{0,80}?"


def written(value: Any, spec: str) -> str:
    """Write a value as a page shows it.

    Args:
      value: a number, a text, a list of both ends of a range, or None for nothing.
      spec: a format of Python; "m:ss" for seconds as a duration; or a format and a unit, such as
        ".1f ms", which divides the number by the unit. The unit is not written.

    Returns:
      The text. Percentages have a space before the sign.

    Example:
      >>> written(0.9961, ".1%"), written([0.986, 0.999], ".1%"), written(164, "m:ss")
      ('99.6 %', '98.6 % to 99.9 %', '2:44')
      >>> written(2**21, ",.0f MiB"), written(2.4e-6, ".1e"), written(None, ".1f")
      ('2', '2.4e-6', '')
      >>> written(0.9961, ".1f %")
      '99.6'
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return " to ".join(written(end, spec) for end in value)
    if isinstance(value, str):
        return value
    if spec == "m:ss":
        return duration(value)
    if shares := re.fullmatch(r"\.(\d)%", spec):
        return percent(value, int(shares[1])).replace("%", " %")
    spec, _, unit = spec.partition(" ")
    if unit and unit not in _UNITS:
        raise unknown_name("unit", unit, _UNITS)
    text = format(value / _UNITS[unit] if unit else value, spec)
    return re.sub(r"e([-+])0", r"e\1", text).replace("e+", "e").replace("%", " %")


def table(measurement: Measurement, keys: Sequence[str] = ()) -> str:
    """Write a measurement's table in Markdown.

    Args:
      measurement: what the table shows.
      keys: of the columns to show, in order; all if there are none.

    Returns:
      Lines, each with its line end.

    Raises:
      ValueError: if there is no column of a key.
    """
    known = {column.key: column for column in measurement.columns}
    for key in keys:
        if key not in known:
            raise unknown_name("column", key, known)
    columns = [known[key] for key in keys or known]
    lines = [
        [column.heading for column in columns],
        [_rule(column, measurement.rows) for column in columns],
        *([written(row.get(c.key), c.format) for c in columns] for row in measurement.rows),
    ]
    return "".join(f"|{''.join(map(_cell, line))}\n" for line in lines)


def _cell(text: str) -> str:
    return f" {text} |" if text else " |"


def _rule(column: Column, rows: Sequence[Mapping[str, Any]]) -> str:
    """Numbers stand to the right."""
    is_text = any(isinstance(row.get(column.key), str) for row in rows)
    return "---" if is_text else "---:"


def fill_tables(text: str, measurements: Mapping[str, Measurement]) -> str:
    """Write the tables of a page between their markers.

    Args:
      text: of the page.
      measurements: by name.

    Returns:
      The page.

    Raises:
      ValueError: if a marker names no measurement or no column, or has no end.
    """

    def fill(found: re.Match[str]) -> str:
        name, keys = found[1], [key.strip() for key in (found[2] or "").split(",") if key.strip()]
        if name not in measurements:
            raise unknown_name("table", name, measurements)
        begin = found[0][: found.start(3) - found.start()]
        return f"{begin}{table(measurements[name], keys)}{_END}"

    whole = re.compile(f"{_BEGIN}((?:(?!<!-- ).)*?){_END}", re.DOTALL)
    if len(re.findall(r"(?i)<!--\s*table:", text)) != len(whole.findall(text)):
        raise ValueError(
            "a marker of a table is misspelt or has no end; expected <!-- table: NAME --> above "
            f"the table, and {_END} below."
        )
    return whole.sub(fill, text)


def fill_sentence(text: str, sentence: Sentence, measurement: Measurement) -> str:
    """Write the figures of one sentence of a page; its line breaks stay.

    Args:
      text: of the page.
      sentence: {key:format} stands for a figure: of its row, of the machine, or a field.
      measurement: with the row.

    Returns:
      The page.

    Raises:
      ValueError: if the page has no such sentence, or several.
    """
    values = _values(sentence, measurement)
    parts, figures = [], []
    for words, key, spec, _ in string.Formatter().parse(sentence.text):
        parts.append(r"\s+".join(map(re.escape, re.split(r"\s+", words))))
        if key is not None:
            if key not in values:
                raise unknown_name("figure", key, values)
            figures.append(written(values[key], spec or ""))
            parts.append(f"({_TEXT if isinstance(values[key], str) else _number(values[key])})")
    pattern = re.compile("".join(parts), re.DOTALL)
    found = list(pattern.finditer(text))
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} places read as {sentence.text!r}; expected one. Change the page, or the "
            "sentence in the file of the measurement."
        )
    for group, figure in reversed(list(enumerate(figures, 1))):
        if " ".join(found[0][group].split()) != figure:
            text = text[: found[0].start(group)] + figure + text[found[0].end(group) :]
    again = pattern.search(text)
    if again is None or [" ".join(group.split()) for group in again.groups()] != figures:
        raise ValueError(
            f"{sentence.text!r} cannot be read back with {', '.join(map(repr, figures))}; expected "
            "finite numbers, and texts of at most 80 characters with words behind them."
        )
    return text


def _number(value: Any) -> str:
    return rf"{_NUMBER}\sto\s{_NUMBER}" if isinstance(value, list) else _NUMBER


def _values(sentence: Sentence, measurement: Measurement) -> dict[str, Any]:
    """Find the values that a sentence may name."""
    rows = [row for row in measurement.rows if sentence.of.items() <= row.items()]
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows of {measurement.title!r} have {sentence.of}; want one.")
    return {"date": measurement.date, **measurement.machine, **rows[0]}


def fill(page: str, text: str, measurements: Mapping[str, Measurement]) -> str:
    """Write all tables and figures of a page.

    Args:
      page: its path from the root, by which measurements name it.
      text: what the page holds.
      measurements: by name.

    Returns:
      The page.

    Raises:
      ValueError: as `fill_tables` and `fill_sentence`, with the page's name.
    """
    try:
        text = fill_tables(text, measurements)
        for measurement in measurements.values():
            for sentence in measurement.sentences.get(page, ()):
                text = fill_sentence(text, sentence, measurement)
    except ValueError as error:
        raise ValueError(f"{page}: {error}") from None
    return text


def all_tables(measurements: Mapping[str, Measurement]) -> str:
    """Write the page with every measurement.

    Args:
      measurements: by name.

    Returns:
      The page in Markdown, by rooms: each with its table, day, machine, versions, command and
      notes.
    """
    rooms = {
        room: {name: each for name, each in measurements.items() if each.room == room}
        for room in ROOMS
    }
    contents, sections = "", []
    for room, found in rooms.items():
        if found:
            contents += f"- [{room}](#{_anchor(room)})\n"
            contents += "".join(f"  - [{m.title}](#{_anchor(m.title)})\n" for m in found.values())
            sections += [f"## {room}\n", *(_section(name, each) for name, each in found.items())]
    return "\n".join([_HEAD, contents, *sections])


_HEAD = """# Results

What was measured, each with its machine. `python -m experiments.benchmarks.tables` writes this page
from the files beside it, and the tables and figures of the other pages. To add a measurement, add a
file with the fields that [`measurements.py`](../measurements.py) lists.
"""


def _anchor(title: str) -> str:
    """Name a heading as GitHub's links do."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _section(name: str, measurement: Measurement) -> str:
    machine, versions = measurement.machine, measurement.versions
    try:
        lines = table(measurement)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    facts = [
        f"Table `{name}`, {measurement.date}",
        f"{_known('Processor', machine['cpu'])}, {machine['cores']} cores; "
        f"{_known('load', machine['load'])}",
        ", ".join(f"{library} {version}" for library, version in versions.items()),
        f"`{measurement.command}`" if measurement.command else "",
    ]
    notes = "".join(f"- {note}\n" for note in measurement.notes)
    return f"### {measurement.title}\n\n{'. '.join(filter(None, facts))}\n\n{lines}" + (
        f"\n{notes}" if notes else ""
    )


def _known(what: str, text: str) -> str:
    return f"{what} {text}" if text == "not recorded" else text
