"""Examples that belong together, such as a burst, a patient or a site: one text for each group."""

import functools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from jaxcnn.data.source import Source, SubsetSource, example_names
from jaxcnn.host.text import counted, printable


class GroupedSource(SubsetSource):
    """A source whose examples have groups.

    Args:
      source: the examples.
      groups: a text for each; examples of one text belong together, "" belongs to none.

    Raises:
      ValueError: if there are not as many groups as examples.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> source = DrawnPetsSource("train", 3, size_px=16)
      >>> GroupedSource(source, ["rex", "", "rex"]).groups
      ['rex', '', 'rex']
    """

    def __init__(self, source: Source, groups: Sequence[str]) -> None:
        super().__init__(source, np.arange(len(source)))
        if len(groups) != len(source):
            raise ValueError(f"got {len(groups)} groups for {len(source)} examples; give each one.")
        self._groups = list(groups)

    @functools.cached_property
    def groups(self) -> list[str]:
        """The examples' groups."""
        return self._groups


def example_groups(source: Source) -> list[str]:
    """List the groups of all examples.

    Args:
      source: any source; its `groups` are taken if it has them.

    Returns:
      len(source) texts: examples of one text belong together, "" belongs to none.

    Example:
      >>> from jaxcnn.data import DrawnPetsSource
      >>> example_groups(DrawnPetsSource("train", 2, size_px=16))
      ['', '']
    """
    groups = getattr(source, "groups", None)
    return [""] * len(source) if groups is None else [str(group) for group in groups]


def groups_by_name(names: Sequence[str], pattern: str) -> list[str]:
    r"""Read the group of each example from its name.

    Args:
      names: of the examples, such as "cat/rex_001.jpg".
      pattern: a regular expression, looked for anywhere in a name; its first group is the group, or
        all that matches where it has none.

    Returns:
      A text for each name; "" where the pattern does not match: such an example stands alone.

    Raises:
      ValueError: if the pattern is no regular expression, or matches no name.

    Example:
      >>> groups_by_name(["cat/rex_001.jpg", "cat/rex_002.jpg", "dog/x.jpg"], r"([a-z]+)_\d+")
      ['rex', 'rex', '']
    """
    compiled = compile_pattern(pattern)
    part = min(1, compiled.groups)
    found = [match[part] or "" if (match := compiled.search(name)) else "" for name in names]
    if names and not any(found):
        raise ValueError(
            f"group_by (={pattern}) matches no name, such as {printable(names[0])}; give a regular "
            "expression that matches a part of the names."
        )
    return found


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression that finds groups.

    Raises:
      ValueError: if it is none.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"group_by (={pattern}) must be a regular expression; {error}. A dot, a bracket or a "
            "backslash that is meant as it stands needs a backslash before it."
        ) from error


def grouped(source: Source, pattern: str, groups: Mapping[str, str] | None = None) -> Source:
    """Give a source the groups that a pattern finds in its names, see `groups_by_name`.

    Args:
      source: the examples.
      pattern: a regular expression; "" leaves the source as it is.
      groups: {name: group} in its place; None for none.

    Returns:
      The source with groups.
    """
    if groups is not None:
        return GroupedSource(source, [groups.get(name, "") for name in example_names(source)])
    if not pattern:
        return source
    return GroupedSource(source, groups_by_name(example_names(source), pattern))


def describe_groups(groups: Sequence[str]) -> str:
    """Say how many groups there are and how large the largest is.

    Example:
      >>> describe_groups(["rex", "rex", "", "tim"])
      '2 groups, the largest rex of 2 photos; 1 photo stands alone'
    """
    sizes = group_sizes(groups)
    largest = max(sizes, key=lambda group: sizes[group])
    text = (
        f"{counted(len(sizes), 'group')}, the largest {printable(largest)} of "
        f"{counted(sizes[largest], 'photo')}"
    )
    alone = len(groups) - sum(sizes.values())
    stand = "stands" if alone == 1 else "stand"
    return text + (f"; {counted(alone, 'photo')} {stand} alone" if alone else "")


def group_sizes(groups: Sequence[str]) -> dict[str, int]:
    """Count the examples of each group; those that belong to none are left out."""
    sizes: dict[str, int] = {}
    for group in groups:
        if group:
            sizes[group] = sizes.get(group, 0) + 1
    return sizes
