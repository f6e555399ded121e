"""A small web server for an index of photos, for one person at one machine.

`create_app` makes the application, `make_server` binds it to loopback, `write_gallery` writes
results to a file that needs neither.
"""

from jaxcnn.photo_server.app import create_app
from jaxcnn.photo_server.explain import make_explain
from jaxcnn.photo_server.gallery import write_gallery
from jaxcnn.photo_server.serving import HOST, PortTakenError, make_server

__all__ = ["HOST", "PortTakenError", "create_app", "make_explain", "make_server", "write_gallery"]
