"""`jaxcnn photos serve`: the page of an index, until it is stopped."""

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.cli import command_line
from jaxcnn.host.extras import require
from jaxcnn.photos.index_reader import PhotoIndex

if TYPE_CHECKING:
    from flask import Flask


def serve(index_path: Path, port: int) -> None:
    """Serve an index to this machine until Ctrl-C or SIGTERM.

    Args:
      index_path: the index's file.
      port: of 127.0.0.1; 0 lets the system choose.

    Raises:
      ValueError: if the port cannot be had, the index cannot be read, or its network not be loaded.
    """
    require("the photo page", "flask", "waitress", extra="serve")
    from jaxcnn.photos.server.serving import HOST, bind, make_server

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue of pictures is no news
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell ignores Ctrl-C for what runs behind it
        signal.signal(number, signal.default_int_handler)
    index = PhotoIndex(index_path)
    with bind(port) as bound:
        address = f"http://{HOST}:{bound.getsockname()[1]}/"
        try:
            print("loading the network ...", file=sys.stderr)
            server = make_server(_make_app(index), bound)
            print(f"{index.count():,} photos at {address} until Ctrl-C")
            server.run()
        except KeyboardInterrupt:
            pass  # while the network was being loaded
    index.close()
    print("ended.", file=sys.stderr)


def _make_app(index: PhotoIndex) -> "Flask":
    """Make the application, with the network that the index was made by."""
    from jaxcnn.photos.labelling import load_labeller_of
    from jaxcnn.photos.server.app import create_app
    from jaxcnn.photos.server.overlay import make_explain

    command_line.prepare()
    labeller = load_labeller_of(index, batch_size=1)
    return create_app(index, labeller, make_explain(labeller.classifier))
