"""Names that users type, and what they hear when one is unknown."""

import difflib
from collections.abc import Iterable

from jaxcnn.host.text import listed

_FEW = 5


def nearest_first(name: str, known: Iterable[str]) -> list[str]:
    """Sort the known names by likeness to `name`, the most alike first.

    Those that begin with it, or whose words begin with its letters, come before all others.

    Args:
      name: what was typed.
      known: the names that would have been understood.

    Returns:
      All known names; ties stay in the order given.

    Example:
      >>> nearest_first("cosin", ["constant", "cosine", "step"])
      ['cosine', 'constant', 'step']
      >>> nearest_first("lr", ["loss", "learning_rate"])
      ['learning_rate', 'loss']
    """

    def distance(other: str) -> tuple[bool, float]:
        other = other.lower()
        initials = "".join(word[:1] for word in other.lstrip("-").split("_"))
        is_short = other.startswith(typed) or initials == typed.lstrip("-")
        return not is_short, -difflib.SequenceMatcher(None, typed, other).ratio()

    typed = name.lower()
    return sorted(known, key=distance)


def unknown_name(kind: str, name: str, known: Iterable[str], *, all_by: str = "") -> ValueError:
    """Make the error for a name that is not known; the caller raises it.

    Args:
      kind: what the name should have named, e.g. "optimizer".
      name: what was typed.
      known: the names that would have been understood.
      all_by: the function that lists them all, e.g. "list_models()", where they are many: then the
        message lists the nearest few.

    Returns:
      A ValueError that lists the known names, nearest first.

    Example:
      >>> str(unknown_name("schedule", "cosin", ["constant", "cosine"]))
      "unknown schedule 'cosin'; known, nearest first: cosine, constant."
    """
    nearest = list(dict.fromkeys(nearest_first(name, known)))
    most = _FEW if all_by and len(nearest) > 2 * _FEW else len(nearest)
    more = f"; {all_by} lists all" if most < len(nearest) else ""
    return ValueError(
        f"unknown {kind} {name!r}; known, nearest first: {listed(nearest, most)}{more}."
    )
