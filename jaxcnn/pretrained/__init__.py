"""Published weights: found, fetched, verified, read without running their code, and mapped.

`list_weights` lists what can be had by name (`table`, and weights/, a file per family), `load`
gives a network's variables and how they want their photos (`importing`; `unlisted` for files of
which nothing is known). `download` brings files, `formats` reads them, and `mapping` finds a place
for each array, by the tables in `names`. `labels` has the names of the classes. Imports
`jaxcnn.models`, `jaxcnn.host`, `jaxcnn.types`.
"""

from jaxcnn.pretrained.download import DownloadError, OfflineError
from jaxcnn.pretrained.formats import WeightsFileError, read_weights
from jaxcnn.pretrained.importing import Description, Pretrained, describe, load
from jaxcnn.pretrained.labels import label_names
from jaxcnn.pretrained.mapping import MappingError
from jaxcnn.pretrained.table import (
    Weights,
    default_weights,
    find_weights,
    list_weights,
)

__all__ = [
    "Description",
    "DownloadError",
    "MappingError",
    "OfflineError",
    "Pretrained",
    "Weights",
    "WeightsFileError",
    "default_weights",
    "describe",
    "find_weights",
    "label_names",
    "list_weights",
    "load",
    "read_weights",
]
