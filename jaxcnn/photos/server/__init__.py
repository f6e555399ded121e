"""A small web server for an index of photos, for one user on one machine.

- `app`: the application, `create_app`; `web_app`: what it has in common with other local pages;
  `guards`: what they refuse; `serving`: binds them to loopback; `pictures`: photos for browsers.
- `query`: what an address asks for; `answers`: what the page says to it.
- `library`: results, pictures and dropped photos, cached; `safe_files`: opens indexed photos alone.
- `overlay`: where the network looked, drawn over a photo.
- `gallery`: results in one file that needs no server.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.photos.server.app import create_app as create_app
    from jaxcnn.photos.server.overlay import make_explain as make_explain
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
