"""Groups of arrays in one file: those whose names begin alike."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


def behind(group: str, arrays: Mapping[str, Value]) -> dict[str, Value]:
    """Take the arrays of a group, by their names in it.

    Args:
      group: what stands before the names, with or without the "." or "/" after it.
      arrays: of the file.

    Returns:
      The arrays whose names begin so, without that; none where no name does.

    Example:
      >>> behind("ema", {"ema.conv.weight": 1, "model.conv.weight": 2})
      {'conv.weight': 1}
    """
    start = re.compile(re.escape(group.rstrip("./")) + r"[./]")
    return {
        name[found.end() :]: array for name, array in arrays.items() if (found := start.match(name))
    }


def groups_of(arrays: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """List the groups of a file by the first part of their names, in the file's order.

    Example:
      >>> groups_of(["ema.conv.weight", "ema.fc.weight", "model.conv.weight", "epoch"])
      ['ema', 'model']
    """
    return list(
        dict.fromkeys(re.split("[./]", name)[0] for name in arrays if re.search("[./]", name))
    )
