"""Label and search a user's own photos: find, label, and keep the labels in one SQLite file.

`indexing` writes the file, `ranking` reads it, `store` says what lies in it; `server` is the
page in a browser. Imports `runs.classifier`, `pretrained`, `data` and `host`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.photos.indexing import IndexReport as IndexReport, update_index as update_index
    from jaxcnn.photos.labelling import Labeller as Labeller, load_labeller as load_labeller
    from jaxcnn.photos.ranking import Found as Found, Hit as Hit, Query as Query, search as search
    from jaxcnn.photos.records import PhotoIndexError as PhotoIndexError
    from jaxcnn.photos.store import (
        PhotoIndex as PhotoIndex,
        default_index_path as default_index_path,
    )
    from jaxcnn.photos.updating import update_file as update_file
    from jaxcnn.photos.words import UnknownWordError as UnknownWordError, word_table as word_table
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
