"""Of which network the arrays of a file are, for messages where another one was named."""

import time
from collections.abc import Iterator

from jaxcnn.host.names import nearest_first
from jaxcnn.models import list_models
from jaxcnn.pretrained import unlisted
from jaxcnn.pretrained.mapping import MappingError, Names, head_names, source_shapes
from jaxcnn.pretrained.names import names_of

# Shares of all arrays, the file's and the network's together, that must be of both.
_ENOUGH, _SURE = 0.5, 0.95
_STEMS = (("stem", "conv"), ("stem_1", "conv_1", "conv"), ("stem", "patches", "conv"))
_SECONDS = 15.0  # the shapes of a network take up to two seconds to trace


def find_network(arrays: unlisted.Arrays, named: str = "") -> str | None:
    """Find the network whose arrays are most like those of a file, by their names and shapes.

    Networks of names like the one that was named are tried first, and for some seconds only.

    Args:
      arrays: of the file.
      named: name of the network that the file was thought to be of.

    Returns:
      The network's name; None where none has half of the arrays.
    """
    started, best, model = time.monotonic(), _ENOUGH, None
    for candidate, names in _candidates(arrays, named):
        if best > _SURE or time.monotonic() - started > _SECONDS:
            break
        share = _share(candidate, names, arrays)
        if share > best:
            best, model = share, candidate
    return model


def looks_like(arrays: unlisted.Arrays, named: str) -> str:
    """Begin a message with the network that a file's arrays are of; "" where none is found."""
    found = find_network(arrays, named)
    if found in (None, named):
        return ""
    return f"its arrays look like {found}'s, and {named} was named: give model={found}. As it is, "


def _candidates(arrays: unlisted.Arrays, named: str) -> Iterator[tuple[str, Names]]:
    """List networks and names, those alone whose first and last layer the file may have."""
    known = [
        (model, names)
        for model in nearest_first(named, list_models())
        for names in names_of(model).values()
    ]
    text = "".join(f" .{name}" for name in arrays).replace("/", ".") + " "
    heads = {head_names(names)[0].replace("/", ".") for _, names in known}
    there = {head for head in heads if f".{head} " in text} or heads
    return (
        (model, names)
        for model, names in known
        if head_names(names)[0].replace("/", ".") in there and _has_stem(names, text)
    )


def _has_stem(names: Names, text: str) -> bool:
    """Whether the names of a file have the first layer; True where its name is not known."""
    for path in _STEMS:
        try:
            return f".{names.module_name(path)}.".replace("/", ".") in text
        except MappingError:
            continue
    return True


def _share(model: str, names: Names, arrays: unlisted.Arrays) -> float:
    """Give the share of all arrays, the file's and the network's, that are of both."""
    wanted = source_shapes(unlisted.variable_shapes(model, 10, names.options), names)
    shares = [0.0]
    for prefix in unlisted.prefixes(arrays, wanted):
        taken, _ = unlisted.take_network(prefix, arrays)
        same = sum(
            name in head_names(names) or array.shape == wanted[name]
            for name, array in taken.items()
            if name in wanted
        )
        others = [n for n in taken if n not in wanted and not names.passes_over(n)]
        shares.append(same / (len(wanted) + len(others)))
    return max(shares)
