"""A small web server for an index of photos, for one user on one machine.

`app.create_app` makes the application, `serving.make_server` binds it to loopback, `gallery` writes
results to a file that needs neither.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.photos.server.app import create_app as create_app
    from jaxcnn.photos.server.explain import make_explain as make_explain
    from jaxcnn.photos.server.gallery import write_gallery as write_gallery
    from jaxcnn.photos.server.serving import (
        PortTakenError as PortTakenError,
        make_server as make_server,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
