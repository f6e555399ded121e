"""The output of --help: what a command does, and its flags in groups with their values."""

import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from absl import flags

_WIDTH = 88  # characters
_INDENT = 6
_WORDS = ("--help", "-help", "-h", "--helpshort", "--helpfull")

_groups: dict[str, list[str]] = {}


def group(title: str, *names: str) -> tuple[str, ...]:
    """Put flags into a group of the help.

    Args:
      title: of the group; groups are shown in the order in which they were first named.
      *names: of flags.

    Returns:
      The names.
    """
    _groups.setdefault(title, []).extend(names)
    return names


def listed_flags() -> list[str]:
    """Give the names of the flags that the help shows."""
    return [name for names in _groups.values() for name in names]


def asked_for(words: Sequence[str]) -> str | None:
    """Give the word that asks for help, None where there is none.

    Args:
      words: of the command line, without the program's name.

    Example:
      >>> asked_for(["--seed=1", "--helpfull"]), asked_for(["photo.jpg", "--", "--help"])
      ('--helpfull', None)
    """
    own = words[: list(words).index("--")] if "--" in words else words
    return next((word for word in own if word in _WORDS), None)


def show(doc: str, names: Collection[str], values: Mapping[str, Any]) -> None:
    """Print the help of the program.

    Args:
      doc: what the program does, with examples.
      names: of the flags to show; empty for all.
      values: what replaces the flags' own defaults, by name.
    """
    parts = [doc.strip(), ""]
    for title in sorted(_groups, key=lambda title: title == "machine"):  # the last, as for experts
        shown = [name for name in _groups[title] if not names or name in names]
        if shown:
            parts += [f"{title}:", *(_describe(name, values) for name in shown), ""]
    if names:
        parts.append("--helpfull lists all flags.")
    print("\n".join(parts).rstrip())


def _describe(name: str, defaults: Mapping[str, Any]) -> str:
    flag = flags.FLAGS[name]
    value = defaults.get(name, flag.default)
    is_bool = isinstance(flag, flags.BooleanFlag)
    head = f"  --[no]{name}" if is_bool else f"  --{name}={_placeholder(flag)}"
    known = "" if value is None else f" [{_said(value, flag)}]"
    body = textwrap.wrap(
        # Settings in backticks become the flags that set them.
        re.sub(r"`(\w+(?:=\w+)?)`", r"--\1", " ".join(flag.help.split())) + known,
        _WIDTH,
        initial_indent=" " * _INDENT,
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join([head, *body])


def _placeholder(flag: flags.Flag) -> str:
    kinds = {"int": "N", "float": "X"}
    return kinds.get(flag.flag_type(), "FOLDER" if flag.name.endswith(("dir", "out")) else "TEXT")


def _said(value: Any, flag: flags.Flag) -> str:
    if isinstance(flag, flags.BooleanFlag):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
