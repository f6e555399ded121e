"""Published weights: found, fetched, verified, read without running their code, and mapped.

`list_weights` lists what can be had by name (`table`, and weights/, a file per family), `load`
gives a network's variables and how they want their photos (`importing`). `download` brings files,
`formats` reads them, and `fitting` makes a network's variables of them: `unlisted` says what a file
does not say of itself, `last_layer` finds the layer that makes the logits, `mapping` finds a place
for each array, by the tables in `names`; `recognition` tells another network by its arrays.
`labels` has the names of the classes of published weights, `class_names` reads those of others.
Imports `jaxcnn.models`, `jaxcnn.data`, `jaxcnn.host`, `jaxcnn.types`.
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
