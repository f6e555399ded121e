"""A local page, served until it is stopped."""

import logging
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def serve_page(
    make_app: Callable[[], "Flask"], port: int, *, slow: str, told: Callable[[], str]
) -> None:
    """Serve an application to this machine until Ctrl-C or SIGTERM.

    Args:
      make_app: makes the application, once the port is taken.
      port: of 127.0.0.1; 0 lets the system choose.
      slow: what takes long in making it, told before.
      told: says what is served, once it is made; its address follows.

    Raises:
      ValueError: if the port cannot be had; whatever `make_app` raises.
    """
    from jaxcnn.photos.server.serving import HOST, bind, make_server

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of pictures is no news
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores Ctrl-C for what runs behind it
        signal.signal(number, signal.default_int_handler)
    with bind(port) as bound:
        address = f"http://{HOST}:{bound.getsockname()[1]}/"
        try:
            print(slow, file=sys.stderr)
            server = make_server(make_app(), bound)
            print(f"{told()} at {address} until Ctrl-C", flush=True)
            server.run()
        except KeyboardInterrupt:
            pass  # while it was being made
    print("ended.", file=sys.stderr)
