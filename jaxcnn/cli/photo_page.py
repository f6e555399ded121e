"""`jaxcnn photos serve`: the page of an index, until it is stopped."""

from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.cli import command_line
from jaxcnn.cli.local_page import serve_page
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
    index = PhotoIndex(index_path)
    serve_page(
        lambda: _make_app(index),
        port,
        slow="loading the network ...",
        told=lambda: f"{index.count():,} photos",
    )
    index.close()


def _make_app(index: PhotoIndex) -> "Flask":
    """Make the application, with the network that the index was made by."""
    from jaxcnn.photos.labelling import load_labeller_of
    from jaxcnn.photos.server.app import create_app
    from jaxcnn.photos.server.overlay import make_explain

    command_line.prepare()
    labeller = load_labeller_of(index, batch_size=1)
    return create_app(index, labeller, make_explain(labeller.classifier))
