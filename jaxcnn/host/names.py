"""Names that users type, and what they hear when one is unknown."""

import difflib
from collections.abc import Iterable


def nearest_first(name: str, known: Iterable[str]) -> list[str]:
    """Sort the known names by likeness to `name`, the most alike first.

    Args:
      name: what was typed.
      known: the names that would have been understood.

    Returns:
      All known names; ties stay in the order given.

    Example:
      >>> nearest_first("cosin", ["constant", "cosine", "step"])
      ['cosine', 'constant', 'step']
    """
    return sorted(
        known,
        key=lambda k: -difflib.SequenceMatcher(None, name.lower(), k.lower()).ratio(),
    )


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """Make the error for a name that is not known; the caller raises it.

    Args:
      kind: what the name should have named, e.g. "optimizer".
      name: what was typed.
      known: the names that would have been understood.

    Returns:
      A ValueError that lists the known names, nearest first.

    Example:
      >>> str(unknown_name("schedule", "cosin", ["constant", "cosine"]))
      "unknown schedule 'cosin'; known, nearest first: cosine, constant."
    """
    listed = ", ".join(nearest_first(name, known))
    return ValueError(f"unknown {kind} {name!r}; known, nearest first: {listed}.")
