"""Small tables in HTML, by which objects show themselves in a notebook."""

import html
from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = "") -> str:
    """Lay rows out as a table; what is text is escaped, and numbers stand to the right.

    Args:
      heads: of the columns; () for none.
      rows: cells of each row; floats show four digits, None shows nothing.
      caption: a line above it.

    Returns:
      One element of HTML.

    Example:
      >>> table([], [["cats & dogs"]])
      '<table><tbody><tr><td>cats &amp; dogs</td></tr></tbody></table>'
    """
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    head = f"<thead><tr>{head}</tr></thead>" if heads else ""
    return f"<table>{above}{head}<tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, float):
        return f'<td style="text-align: right">{value:.4g}</td>'
    if isinstance(value, int):
        return f'<td style="text-align: right">{value:,}</td>'
    return f"<td>{html.escape(str(value))}</td>"
