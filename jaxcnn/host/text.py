"""Numbers, lists and errors as people read them: on the screen, on pages, in cards, in pictures."""

import csv
import io
import json
import math
import os
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

NONE = "n/a"
_ISOLATES = "\u2066\u2067\u2068\u2069"
# Classes of characters that Unicode writes from right to left, or that turn the direction.
_TURNING = ("R", "AL", "AN", "RLE", "RLO", "LRE", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; "n/a" if it is None or not finite.

    Example:
      >>> percent(0.9345), percent(0.98, 0), percent(1.0), percent(math.nan)
      ('93.5%', '98%', '100%', 'n/a')
      >>> percent(0.9999), percent(0.0001)  # nearly all is not all
      ('> 99.9%', '< 0.1%')
    """
    if share is None or not math.isfinite(share):
        return NONE
    rounded = f"{100 * share:.{digits}f}"
    if share not in (0, 1) and float(rounded) in (0, 100):
        least = 10.0**-digits
        return f"< {least:g}%" if share < 0.5 else f"> {100 - least:g}%"
    return "100%" if share == 1 else f"{rounded}%"


def interval(bounds: Sequence[float] | None, digits: int = 1) -> str:
    """Write the bounds of a share as percentages; "n/a" where there are none.

    Example:
      >>> interval((0.9, 0.95))
      '90.0% to 95.0%'
    """
    return NONE if bounds is None else " to ".join(percent(bound, digits) for bound in bounds)


def points(difference: float) -> str:
    """Write a difference of two shares in percentage points, with a true minus sign.

    Example:
      >>> points(0.073)
      '7.3 points'
    """
    return f"{100 * difference:.1f} points".replace("-", "\N{MINUS SIGN}")


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with groups of thousands, or a fraction with some digits; "n/a" for None.

    Example:
      >>> number(12345), number(0.12345)
      ('12,345', '0.123')
    """
    if value is None or not math.isfinite(value):
        return NONE
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def comma_separated(text: str) -> list[str]:
    """Split a text at its commas, without spaces and empty parts.

    Returns:
      The parts; one empty part if there is nothing but commas and spaces, none for no text at all.

    Example:
      >>> comma_separated("a=1, b=2,"), comma_separated(","), comma_separated("")
      (['a=1', 'b=2'], [''], [])
    """
    parts = [part.strip() for part in text.split(",")]
    return [part for part in parts if part] or ([""] if text else [])


def counted(count: int, one: str, many: str = "") -> str:
    """Write a number of things, in the singular where there is one.

    Example:
      >>> counted(1, "photo"), counted(1200, "photo"), counted(2, "class", "classes")
      ('1 photo', '1,200 photos', '2 classes')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Iterable[Any], most: int = 8, separator: str = ", ") -> str:
    """Write names one after the other, and how many are left out.

    Example:
      >>> listed(["cat", "dog", "owl"], 2)
      'cat, dog and 1 more'
    """
    names = list(names)
    text = separator.join(str(name) for name in names[:most])
    return f"{text} and {len(names) - most:,} more" if len(names) > most else text


def size(count: int) -> str:
    """Write a number of bytes.

    Example:
      >>> size(2_500_000)
      '2.4 MiB'
    """
    for unit, bytes_each in (("MiB", 2**20), ("KiB", 2**10)):
        if count >= bytes_each:
            return f"{count / bytes_each:.1f} {unit}"
    return f"{count} bytes"


def duration(seconds: float) -> str:
    """Write a duration as m:ss or h:mm:ss, one below a second as such.

    Example:
      >>> duration(0.42), duration(75), duration(3725)
      ('0.4 s', '1:15', '1:02:05')
    """
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def printable(name: str | bytes | os.PathLike[str]) -> str:
    r"""Write a name on one line, so that any screen shows it and it cannot pass for another.

    Bytes that are not UTF-8, control characters and characters that change the direction of writing
    are escaped.

    Example:
      >>> printable("a\u202egpj.exe"), printable(b"f\xff.jpg"), printable("cat.jpg")
      ('a\\u202egpj.exe', 'f\\xff.jpg', 'cat.jpg')
    """
    return "".join(c if c.isprintable() else _escape(c) for c in os.fsdecode(name))


def _escape(character: str) -> str:
    is_byte = "\udc80" <= character <= "\udcff"  # one that is no UTF-8, as Python holds it
    return f"\\x{ord(character) - 0xDC00:02x}" if is_byte else ascii(character)[1:-1]


def isolated(value: Any) -> Any:
    r"""Keep a name from changing the direction of the text beside it on a page.

    Works in attributes and SVG too, where `<bdi>` cannot stand.

    Args:
      value: a text; anything else, such as HTML that is escaped already, stays as it is.

    Returns:
      The text, between Unicode's isolates if any of it is written from right to left.

    Example:
      >>> isolated("a\u202egpj.exe"), isolated("cat.jpg")
      ('\u2068a\u202egpj.exe\u2069', 'cat.jpg')
    """
    if not isinstance(value, str) or value.isascii() or hasattr(value, "__html__"):
        return value
    if not any(unicodedata.bidirectional(c) in _TURNING for c in value):
        return value
    inner = "".join(_escape(c) if c in _ISOLATES else c for c in value)  # they could end ours
    return f"\u2068{inner}\u2069"


def table_cell(name: str) -> str:
    r"""Write a name for a CSV table, so that any program reads it and nothing of it is lost.

    Nearly all names stay as they are. A name that UTF-8 cannot hold, or that has NUL or a carriage
    return or begins with a quote, becomes a JSON string, which begins with a quote.

    Example:
      >>> table_cell("=1,2\n"), table_cell("f\udcff.jpg")
      ('=1,2\n', '"f\\udcff.jpg"')
    """
    is_odd = name.startswith('"') or any(c in "\0\r" or "\ud800" <= c <= "\udfff" for c in name)
    return json.dumps(name) if is_odd else name


def read_cell(cell: str) -> str:
    r"""Read a name as `table_cell` wrote it.

    Example:
      >>> read_cell(table_cell("f\udcff.jpg")) == "f\udcff.jpg", read_cell("cat.jpg")
      (True, 'cat.jpg')
    """
    if not cell.startswith('"'):
        return cell
    try:
        return str(json.loads(cell))
    except ValueError:  # written by another program
        return cell


def table_line(cells: Iterable[Any]) -> str:
    r"""Write a row of a CSV table with its line end; names as `table_cell` does.

    Example:
      >>> table_line(["a,b.jpg", 0.5])
      '"a,b.jpg",0.5\n'
    """
    text = io.StringIO()
    row = [table_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def first_line(error: Exception) -> str:
    """Write the beginning of an error's message; its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def in_columns(lines: Sequence[Sequence[str] | str], *, left: int | None = None) -> list[str]:
    """Put the cells of a table under each other; a line that is one text stays as it is.

    Args:
      lines: the cells of each line, all lines having as many; or a title, a note.
      left: number of first columns that are set to the left, the others to the right; None sets
        all to the left.

    Example:
      >>> in_columns([("a", "1"), "a title", ("bc", "20")], left=1)
      ['a    1', 'a title', 'bc  20']
    """
    columns = zip(*(line for line in lines if not isinstance(line, str)), strict=True)
    widths = [max(map(len, column)) for column in columns]
    return [
        line
        if isinstance(line, str)
        else "  ".join(
            cell.ljust(width) if left is None or i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
