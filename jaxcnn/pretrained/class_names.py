"""Names of classes from a file, in the forms in which people keep them beside their weights."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.host.text import listed

_FORMS = (
    'one name per line, a JSON list, {"0": "cat", ...}, {"0": ["n02123045", "tabby"], ...} or '
    '{"cat": 0, ...}'
)


def name_classes(given: Path | str | Sequence[str], num_classes: int) -> tuple[str, ...]:
    """Take names of classes, and check them against the outputs of a network.

    Args:
      given: the names in the order of the outputs, or a file of them: one per line, a JSON list, or
        a JSON object from outputs to names or from names to outputs, also within "id2label". Of a
        list for one output, such as a WordNet id and a name, the last is taken.
      num_classes: outputs of the network.

    Returns:
      The names. One that stands several times gets the number of its output, from 0.

    Raises:
      ValueError: if they cannot be read, are empty, or are not one per output; the message names
        the file.

    Example:
      >>> name_classes(["cat", "dog", "cat"], 3)
      ('cat (0)', 'dog', 'cat (2)')
    """
    is_file = isinstance(given, (str, Path))
    source = f"class_names={given}" if is_file else "class_names"
    names = _read(Path(given), source) if isinstance(given, (str, Path)) else list(given)
    odd = [i for i, name in enumerate(names) if not isinstance(name, str) or not name.strip()]
    if odd:
        raise ValueError(
            f"{source}: the name of class {odd[0]}, counted from 0, is "
            f"{names[odd[0]]!r}; expected a text that is not empty."
        )
    if len(names) != num_classes:
        raise ValueError(
            f"{source} has {len(names):,} names ({listed(names, most=3)}); expected "
            f"{num_classes:,}, one per output of the network, in their order."
        )
    counts = Counter(names)
    return tuple(f"{name} ({i})" if counts[name] > 1 else name for i, name in enumerate(names))


def _read(path: Path, source: str) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise ValueError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not text in UTF-8; expected {_FORMS}.") from error
    if text[:1] not in ("[", "{"):
        return [line.strip() for line in text.splitlines()]
    try:
        return _of_json(json.loads(text))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{source} cannot be read ({error}); expected {_FORMS}.") from error


def _of_json(value: Any) -> list[Any]:
    if isinstance(value, Mapping) and "id2label" in value:  # config.json of Hugging Face
        value = value["id2label"]
    if isinstance(value, Mapping):
        count = len(value)
        if value and all(isinstance(output, int) for output in value.values()):
            value = {output: name for name, output in value.items()}
        odd = [key for key in value if not str(key).isdecimal()]
        if odd:
            raise ValueError(f"{odd[0]!r} is no number of an output")
        by_output = {int(output): name for output, name in value.items()}
        if sorted(by_output) != list(range(count)):
            raise ValueError(f"its outputs are not 0 to {count - 1}, each once")
        value = [by_output[output] for output in sorted(by_output)]
    return [name[-1] if isinstance(name, list) and name else name for name in value]
