"""How a setting is declared: its default, and the text of its flag."""

import dataclasses
from typing import Any


def setting(default: Any, text: str, *, model_option: bool = False) -> Any:
    """Make a setting with a default; `text` is the help of its flag."""
    about = {"help": text, "model_option": model_option}
    return dataclasses.field(default=default, metadata=about)


def open_setting(text: str) -> Any:
    """Make a setting that is None unless given: a preset fills it in, or it means what is said."""
    return setting(None, text)


def model_option(text: str) -> Any:
    """Make a setting that only some networks have."""
    return setting(None, text, model_option=True)
