"""Options of networks, optimizers and schedules, as settings write them: name=value."""

from collections.abc import Mapping
from typing import Any

from jaxcnn.host.text import comma_separated
from jaxcnn.models import model_options


def parse_options(text: str, setting: str = "model_options") -> dict[str, Any]:
    """Read options written as name=value, comma-separated.

    Args:
      text: values are true, false, numbers, several numbers with ":" between them, or else words.
      setting: its name, for the message.

    Returns:
      {name: value}.

    Raises:
      ValueError: if a part has no name or no value, or a name comes twice.

    Example:
      >>> parse_options("bn_epsilon=0.001, padding=same,zero_init_residual=false")
      {'bn_epsilon': 0.001, 'padding': 'same', 'zero_init_residual': False}
      >>> parse_options("widths=16:32:64")
      {'widths': (16, 32, 64)}
    """
    options = {}
    for part in comma_separated(text):
        name, sign, value = (word.strip() for word in part.partition("="))
        if not (name and sign and value):
            raise ValueError(f"{setting} must be name=value, comma-separated; got {part!r}.")
        if name in options:
            raise ValueError(f"{setting}: {name} is given twice; leave one of them out.")
        options[name] = _literal(value)
    return options


def _literal(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    numbers = text.split(":")
    if len(numbers) == 1:
        return text
    values = tuple(_literal(number.strip()) for number in numbers)
    return values if all(type(value) in (int, float) for value in values) else text


def check_kinds(network: str, options: Mapping[str, Any]) -> None:
    """Refuse an option whose value is of another kind than the network's default."""
    defaults = model_options(network)
    for name, value in options.items():
        default = defaults.get(name)
        is_whole = isinstance(default, float) and type(value) is int
        if default is None or type(value) is type(default) or is_whole:
            continue
        kind, example = _KINDS.get(type(default), (type(default).__name__, default))
        raise ValueError(
            f"{name} of {network} must be {kind}, such as {name}={example}; got {value!r}."
        )


_KINDS = {
    bool: ("true or false", "true"),
    int: ("a whole number", 3),
    float: ("a number", 0.001),
    str: ("a word", "same"),
    tuple: ("whole numbers with ':' between them", "16:32"),
}
