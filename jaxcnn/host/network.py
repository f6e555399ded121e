"""Whether the network may be used."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NoReturn
from unittest import mock

SWITCHES = ("JAXCNN_OFFLINE", "HF_HUB_OFFLINE")
_YES = ("1", "true", "yes", "on")


def is_offline() -> bool:
    """Tell whether `JAXCNN_OFFLINE` or `HF_HUB_OFFLINE` forbids the network (1, true, yes, on)."""
    return any(os.environ.get(name, "").strip().lower() in _YES for name in SWITCHES)


@contextlib.contextmanager
def network_as_allowed() -> Iterator[None]:
    """Refuse what other libraries ask `requests` to fetch in the block, where that is forbidden."""
    import requests

    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        raise requests.ConnectionError(f"{' or '.join(SWITCHES)} forbids the network")

    if not is_offline():
        yield
        return
    with mock.patch.object(requests.Session, "send", refuse):
        yield
