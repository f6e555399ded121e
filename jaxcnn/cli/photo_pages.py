"""The parts of `jaxcnn photos` that make pages: a server, and a gallery in one file."""

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jaxcnn.cli import command_line
from jaxcnn.host.extras import require
from jaxcnn.photos.index_reader import PhotoIndex
from jaxcnn.photos.ranking import Found, Query

if TYPE_CHECKING:
    from flask import Flask

GALLERY_LIMIT = 200  # where --limit does not say: small pictures of some 2 MB


def serve(index_path: Path, port: int) -> int:
    """Serve an index to this machine until Ctrl-C or SIGTERM.

    Args:
      index_path: the index's file.
      port: of 127.0.0.1; 0 lets the system choose.

    Returns:
      The exit status: 0 after either.

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
    return 0


def _make_app(index: PhotoIndex) -> "Flask":
    """Make the application, with the network that the index was made by."""
    from jaxcnn.photos.labelling import load_labeller
    from jaxcnn.photos.server.app import create_app
    from jaxcnn.photos.server.explain import make_explain

    for line in command_line.prepare():
        print(line, file=sys.stderr)
    labeller = load_labeller(index.network.source, batch_size=1)
    if labeller.network.fingerprint != index.network.fingerprint:
        raise ValueError(
            f"the network {index.network.name} is no longer the one that labelled {index.path}; "
            "run `jaxcnn photos index --rebuild`."
        )
    return create_app(index, labeller, make_explain(labeller.classifier))


def check_gallery(path: Path) -> None:
    """See that a gallery can be written, before anything is searched for it.

    Raises:
      ValueError: if its folder is not there.
    """
    if not path.parent.is_dir():
        raise ValueError(f"{path} cannot be written: {path.parent} is no folder.")


def write_gallery(path: Path, index: PhotoIndex, query: Query, found: Found, *, like: str) -> None:
    """Write what was found as a page of one file, and say so.

    Args:
      path: the file.
      index: where it was found.
      query: what was looked for.
      found: the answer.
      like: name of the photo that it is like; "" for none.
    """
    from jaxcnn.photos.server import gallery

    count = gallery.write_gallery(path, index, query, found, like=like)
    print(f"{count} of {found.total:,} photos written to {path}")
