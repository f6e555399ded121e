"""Serve the application to this machine alone."""

from typing import Any

import waitress.server
from flask import Flask

HOST = "127.0.0.1"
_THREADS = 8
_SPARE_BYTES = 2**20  # so that the application, not the server, refuses what is a little too large


class PortTakenError(ValueError):
    """Nothing can be served at a port; the message says why."""


def make_server(app: Flask, port: int) -> Any:
    """Bind a server to a port of loopback.

    Args:
      app: as `app.create_app` gives.
      port: in [0, 65535]; 0 lets the system choose, see `effective_port` of what is returned.

    Returns:
      A server; its `run` serves until Ctrl-C.

    Raises:
      PortTakenError: if the port is not in this range or cannot be had.
    """
    if not 0 <= port <= 65535:
        raise PortTakenError(f"port is {port}; expected a number from 1 to 65535.")
    try:
        return waitress.server.create_server(
            app,
            host=HOST,
            port=port,
            threads=_THREADS,
            max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + _SPARE_BYTES,
            max_request_header_size=32 * 1024,
            ident=None,
        )
    except OSError as error:
        raise PortTakenError(
            f"port {port} cannot be had ({error.strerror}); is it served already? "
            "Choose another by --port."
        ) from error
