"""Packages that only some features need: what to install where one is missing."""

import importlib.util


class MissingExtraError(ValueError):
    """A feature cannot be used because a package is not installed; the message says what to do."""


def install(extra: str) -> str:
    """Give the command that installs an extra.

    Example:
      >>> install("serve")
      'pip install "jaxcnn[serve]"'
    """
    return f'pip install "jaxcnn[{extra}]"'


def require(feature: str, *modules: str, extra: str) -> None:
    """Refuse a feature whose packages are not installed; nothing of them is imported.

    Args:
      feature: what needs them, as the message names it.
      *modules: the top-level modules that it imports.
      extra: the extra of this package that brings them.

    Raises:
      MissingExtraError: if one is missing.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{feature} needs {' and '.join(missing)}, which {verb} not installed; "
            f"run {install(extra)}."
        )
