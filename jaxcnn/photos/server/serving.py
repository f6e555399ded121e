"""Serve the application to this machine alone."""

import os
import socket
from typing import Any

import waitress.server
from flask import Flask

HOST = "127.0.0.1"
_THREADS = 8
_BACKLOG = 128
_SPARE_BYTES = 2**20  # so that the application, not the server, refuses what is a little too large


class PortTakenError(ValueError):
    """Nothing can be served at a port; the message says why."""


def bind(port: int) -> socket.socket:
    """Take a port of loopback, before anything slow is done for those who will ask there.

    Args:
      port: in [0, 65535]; 0 lets the system choose.

    Returns:
      A socket that listens.

    Raises:
      PortTakenError: if the port is out of range or cannot be had.
    """
    if not 0 <= port <= 65535:
        raise PortTakenError(f"port (={port}) is out of range; expected 0 to 65535.")
    try:
        return socket.create_server((HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise PortTakenError(
            f"port (={port}) cannot be used ({os.strerror(error.errno or 0)}); choose another."
        ) from error


def make_server(app: Flask, bound: socket.socket) -> Any:
    """Make the server of an application.

    Args:
      app: as `app.create_app` gives.
      bound: as `bind` gives.

    Returns:
      A server; its `run` serves until Ctrl-C.
    """
    return waitress.server.create_server(
        app,
        sockets=[bound],
        threads=_THREADS,
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"] + _SPARE_BYTES,
        max_request_header_size=32 * 1024,
        ident=None,
    )
