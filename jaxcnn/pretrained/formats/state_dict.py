"""Where a checkpoint keeps its state dict."""

from pathlib import Path
from typing import Any

from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.torch_pickle import Tensor

PREFERRED = ("state_dict", "model", "model_state_dict", "net", "state_dict_ema", "model_ema")


def find_state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """Find the mapping of names to tensors in a checkpoint's content.

    The keys of `PREFERRED` are followed first, in that order; then comes the content itself, if
    it maps names to tensors; then its only entry that holds such a mapping.

    Args:
      content: what the pickle held.
      path: the file, for messages.

    Returns:
      Tensors by name, without a "module." that all names begin with.

    Raises:
      WeightsFileError: if there is no such mapping, or several and no way to choose.
    """
    found = _search(content, path, set())
    if found is None:
        raise WeightsFileError(
            f"{path}: no mapping of names to tensors in it, but {_describe(content)}; save "
            "model.state_dict()."
        )
    if all(name.startswith("module.") for name in found):
        return {name.removeprefix("module."): tensor for name, tensor in found.items()}
    return found


def _search(content: Any, path: Path, seen: set[int]) -> dict[str, Tensor] | None:
    # Each mapping is searched once: a pickle can make one that holds itself.
    if not isinstance(content, dict) or id(content) in seen:
        return None
    seen.add(id(content))
    for key in PREFERRED:
        if (found := _search(content.get(key), path, seen)) is not None:
            return found
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        return tensors
    nested = {k: _search(v, path, seen) for k, v in content.items()}
    candidates = {k: found for k, found in nested.items() if found is not None}
    if len(candidates) > 1:
        raise WeightsFileError(
            f"{path}: several entries hold tensors: {', '.join(map(repr, candidates))}; expected "
            f"one, or one named {', '.join(PREFERRED)}. Save the state dict alone."
        )
    return next(iter(candidates.values()), None)


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        keys = ", ".join(repr(key)[:40] for key in list(content)[:8])
        return f"a mapping with the keys {keys or '(none)'}"
    return f"a {type(content).__name__}"
