"""Which entry of a PyTorch checkpoint holds the weights."""

import logging
from pathlib import Path
from typing import Any

from jaxcnn.host.names import unknown_name
from jaxcnn.host.text import listed
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.groups import behind, groups_of
from jaxcnn.pretrained.formats.torch_stand_ins import Tensor

logger = logging.getLogger(__name__)

# Keys under which checkpoints keep their state dict; those of an EMA are followed first.
PREFERRED = ("state_dict", "model", "model_state_dict", "net", "network", "params")

Entries = dict[str, dict[str, Tensor]]


def find_state_dict(content: Any, path: Path, key: str | None = None) -> dict[str, Tensor]:
    """Find the mapping of names to tensors in a checkpoint's content.

    Keys that name an EMA (exponential moving average) are followed first, then those of
    `PREFERRED`; then comes the content itself, if it maps names to tensors; then its only entry
    that holds such a mapping.

    Args:
      content: what the pickle held.
      path: the file, for messages.
      key: of the entry to take, such as "state_dict", or "model/params" for one inside another;
        or what stands before the names of the tensors to take. None for the order above.

    Returns:
      Tensors by name. Which of several entries they are from is logged.

    Raises:
      WeightsFileError: if there is no such mapping, or several and no way to choose.
    """
    if key is not None:
        return _of_key(content, path, key)
    found = _search(content, path, set())
    if found is None:
        raise WeightsFileError(
            f"{path}: no mapping of names to tensors in it, but {_describe(content)}; save "
            "model.state_dict()."
        )
    return found


def _of_key(content: Any, path: Path, key: str) -> dict[str, Tensor]:
    entries = _entries(content, "", set())
    ends = {name: name.rpartition("/")[2] for name in entries}
    alike = [name for name in entries if key == name] or [n for n in ends if ends[n] == key]
    if len(alike) > 1:
        raise WeightsFileError(
            f"{path}: weights_key={key!r} may be {listed(alike, separator=' or ')}; give one of "
            "these in full."
        )
    if alike:
        return entries[alike[0]]
    tensors = next(iter(entries.values()), {}) if len(entries) == 1 else {}
    if taken := behind(key, tensors):
        return taken
    known = [name for name in entries if name] or groups_of(tensors)
    raise WeightsFileError(str(unknown_name(f"weights_key of {path}", key, known)))


def _entries(content: Any, prefix: str, seen: set[int]) -> Entries:
    """List every mapping of names to tensors by its keys, "" for the content itself."""
    if not isinstance(content, dict) or id(content) in seen:
        return {}
    seen.add(id(content))
    tensors = _tensors(content)
    found = {prefix: tensors} if tensors else {}
    for key, value in content.items():
        if isinstance(key, str):
            found |= _entries(value, f"{prefix}/{key}".lstrip("/"), seen)
    return found


def _search(content: Any, path: Path, seen: set[int]) -> dict[str, Tensor] | None:
    # Each mapping is searched once: a pickle can make one that holds itself.
    if not isinstance(content, dict) or id(content) in seen:
        return None
    seen.add(id(content))
    for key in (*filter(_is_ema, content), *PREFERRED):
        if (found := _search(content.get(key), path, seen)) is not None:
            _tell_of_others(content, key, path)
            return found
    if tensors := _tensors(content):
        return tensors
    nested = {k: _search(v, path, seen) for k, v in content.items()}
    candidates = {k: found for k, found in nested.items() if found is not None}
    if len(candidates) > 1:
        raise WeightsFileError(
            f"{path}: several entries hold tensors: {', '.join(map(repr, candidates))}; choose one "
            "by weights_key."
        )
    return next(iter(candidates.values()), None)


def _tensors(content: dict) -> dict[str, Tensor]:
    return {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _tell_of_others(content: dict, taken: str, path: Path) -> None:
    nested = [key for key, value in content.items() if isinstance(value, dict) and key != taken]
    others = [key for key in nested if key in PREFERRED or _is_ema(key)]
    if others or _is_ema(taken):
        choice = f", not {' or '.join(map(repr, others))} (weights_key chooses)" if others else ""
        logger.info(f"{path}: the weights are those of its entry {taken!r}{choice}")


def _is_ema(key: object) -> bool:
    return "ema" in str(key).split("_")


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        keys = ", ".join(repr(key)[:40] for key in list(content)[:8])
        return f"a mapping with the keys {keys or '(none)'}"
    return f"a {type(content).__name__}"
