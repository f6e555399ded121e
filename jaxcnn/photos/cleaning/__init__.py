"""A local page to look through what a run suspects of its photos, and to decide about each.

- `app`: the application, `create_cleaning_app`; what it refuses is in `photos.server.guards`.
- `review`: which photo comes next, what is decided; `facts`: what the page says of a photo.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.photos.cleaning.app import create_cleaning_app as create_cleaning_app
    from jaxcnn.photos.cleaning.review import Review as Review
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
