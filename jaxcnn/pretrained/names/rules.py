"""Tables of names, by patterns of our modules' paths."""

import re
from collections.abc import Callable, Mapping

from jaxcnn.pretrained.mapping import MappingError, ModulePath

# What a module is called there: one name, or those of its first and its second layer.
Called = str | tuple[str, ...]
# By a pattern of the module's path, joined by slashes: that, or a function of the pattern's groups.
Rules = Mapping[str, Called | Callable[..., Called]]

_PLACES = {"conv": 0, "bn": 1, "linear": 0, "reduce": 0, "expand": 1, "fc": 0}


def by_rules(rules: Rules) -> Callable[[ModulePath], str]:
    r"""Name layers by the first rule whose pattern matches the whole path of their module.

    Args:
      rules: of a family of networks; groups that are digits are handed on as ints.

    Returns:
      A function from the path of a layer to its name; a `MappingError` for a path without any.

    Example:
      >>> name = by_rules({"stem": ("conv1", "bn1"), r"block_(\d+)": lambda n: f"blocks.{n - 1}"})
      >>> name(("stem", "bn")), name(("block_3", "conv"))
      ('bn1', 'blocks.2')
    """

    def name(path: ModulePath) -> str:
        module = "/".join(path[:-1] or path)
        try:
            place = _PLACES[path[-1]]
            match, rule = next(
                (found, rule) for key, rule in rules.items() if (found := re.fullmatch(key, module))
            )
            groups = (int(group) if group.isdigit() else group for group in match.groups())
            called = rule(*groups) if callable(rule) else rule
            return called if isinstance(called, str) else called[place]
        except (LookupError, StopIteration):
            raise MappingError(
                f"no name is known for the layer {'/'.join(path)}; the names are of another "
                "network, or of another size of it."
            ) from None

    return name
