"""Where in a photo a map is strong, as words say it."""

import numpy as np

_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


def locate(strength: np.ndarray) -> tuple[int, int] | None:
    """Find in which third of the rows and columns the middle of the strong evidence lies.

    Args:
      strength: (H, W) in [0, 1]; strong is at least 0.5.

    Returns:
      Row and column, each in [0, 3); None where nothing is strong.

    Example:
      >>> locate(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
      (0, 2)
    """
    weights = np.where(strength >= 0.5, strength, 0)
    if not weights.any():
        return None
    row, column = (
        min(2, int(3 * ((weights * at).sum() / weights.sum() + 0.5) / length))
        for at, length in zip(np.indices(strength.shape), strength.shape, strict=True)
    )
    return row, column


def name_place(row: int, column: int) -> str:
    """Name a third of the rows and columns, as `locate` finds it.

    Example:
      >>> name_place(0, 2), name_place(1, 1), name_place(1, 0), name_place(2, 1)
      ('at the top right', 'in the middle', 'at the left', 'at the bottom')
    """
    if row == 1:
        return "in the middle" if column == 1 else f"at the {_COLUMNS[column]}"
    return f"at the {_ROWS[row]}" + ("" if column == 1 else f" {_COLUMNS[column]}")
