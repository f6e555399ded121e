"""Tables for the terminal."""

from collections.abc import Collection, Sequence


def in_columns(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Lay rows of cells out in columns.

    Args:
      rows: of one length each.
      right: numbers of the columns that end where the others begin, as those of numbers do.

    Returns:
      One line per row, without spaces at its end.

    Example:
      >>> in_columns([("a", "10"), ("bcd", "9")], right=[1])
      ['a    10', 'bcd   9']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
