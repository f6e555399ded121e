"""Hand out a package's public names, each imported from its module when it is first used."""

import ast
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def hand_out(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], Any]:
    """Make the `__getattr__`, `__dir__` and `__all__` of a package.

    The imports under `if TYPE_CHECKING:` in the package's `__init__` are the one list of its public
    names: type checkers and editors read them, and so does this function.

    Args:
      package: the package's `__name__`.
      file: the package's `__file__`.

    Returns:
      What the package's `__init__` assigns to `__getattr__`, `__dir__` and `__all__`.

    Source: PEP 562; Scientific Python's SPEC 1, lazy loading of submodules and functions.
    """
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    checked = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for block in checked for node in block.body if isinstance(node, ast.ImportFrom)]
    module_of = {alias.name: node.module for node in imports for alias in node.names}

    def get(name: str) -> Any:
        module = module_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module), name)

    public = sorted(module_of)
    return get, lambda: public, public
