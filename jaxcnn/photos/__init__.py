"""Label and search a user's own photos: find, label, and keep the labels in one SQLite file.

- `updating`: bring an index up to date with folders; `indexing`: one run over a folder.
- `reading`: read and decode a photo; `dates`: when a photo was taken.
- `labelling`: the network that labels.
- `index_format`, `index_reader`, `index_writer`: the file, what is read from it and written to it.
- `ranking`: search the index; `words`: from words to classes.
- `server`: the page in a browser.
- `cleaning`: the page of what a run suspects of its photos.

Imports `jaxcnn.runs.Classifier`, `jaxcnn.pretrained`, `jaxcnn.data` and `jaxcnn.host`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.photos.index_format import (
        PhotoIndexError as PhotoIndexError,
        default_index_path as default_index_path,
    )
    from jaxcnn.photos.index_reader import PhotoIndex as PhotoIndex
    from jaxcnn.photos.indexing import IndexReport as IndexReport
    from jaxcnn.photos.labelling import Labeller as Labeller, load_labeller as load_labeller
    from jaxcnn.photos.ranking import Found as Found, Hit as Hit, Query as Query, search as search
    from jaxcnn.photos.updating import check_folders as check_folders, update_index as update_index
    from jaxcnn.photos.words import UnknownWordError as UnknownWordError
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)
