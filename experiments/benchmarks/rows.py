"""What is measured: networks at a size, in training or inference, with a batch size."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxcnn.host.names import unknown_name
from jaxcnn.models import list_models

MODES = ("train", "inference")
DTYPES = ("float32", "bfloat16")
_TRAIN, _INFERENCE = MODES


class Row(NamedTuple):
    """One line of comparison."""

    network: str
    size_px: int
    mode: str  # one of MODES
    batch_size: int

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Row":
        """Give the row that a result is of."""
        return cls(*(result[field] for field in cls._fields))

    def title(self) -> str:
        """Name the row for people.

        Example:
          >>> Row("resnet50", 224, "train", 16).title()
          'resnet50 224 px train, batch 16'
        """
        return f"{self.network} {self.size_px} px {self.mode}, batch {self.batch_size}"


DEFAULT_ROWS = (
    Row("mobilenet_v2", 224, _INFERENCE, 32),
    Row("efficientnet_lite0", 224, _INFERENCE, 32),
    Row("mobilenet_v2", 224, _TRAIN, 16),
    Row("six_conv", 150, _TRAIN, 32),
    Row("resnet18", 112, _TRAIN, 32),
    Row("resnet50", 224, _TRAIN, 16),
    Row("resnet50", 224, _INFERENCE, 16),
)
_SCALING_BATCH_SIZES = (1, 8, 32, 128)
_SCALING_SIZES_PX = (64, 96, 128, 160, 192, 224)
_SCALING_BATCH = 32  # at which the sizes are compared
SCALING_NETWORKS = (("six_conv", 64),)


def model_options(network: str) -> dict[str, Any]:
    """Give the options that a network is built with, beside its defaults."""
    if network != "six_conv":
        return {}
    # That of the runs from scratch on photos: no large dense layers.
    return {
        "batch_norm": True,
        "global_pooling": "average",
        "dense_widths": (),
        "dropout_rate": 0.4,
    }


def num_classes(network: str) -> int:
    """Give the number of classes that a network is built with: cats and dogs, or ImageNet's."""
    return 2 if network == "six_conv" else 1000


def parse_networks(text: str) -> list[tuple[str, int]]:
    """Read networks written as name:size_px, comma-separated; without a size its default.

    Args:
      text: such as "resnet50:224,six_conv".

    Returns:
      (name, size in pixels) of each.

    Raises:
      ValueError: if there is none, one is unknown, or a size is no whole number of at least 1.

    Example:
      >>> parse_networks("resnet50:160, six_conv")
      [('resnet50', 160), ('six_conv', 150)]
    """
    networks = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, colon, size = part.partition(":")
        if colon and not (size.isdecimal() and int(size)):
            raise ValueError(f"networks has {part!r}; expected name:size_px such as resnet50:224.")
        if name not in list_models():
            raise unknown_name("network", name, list_models(), all_by="list_models()")
        networks.append((name, int(size) if colon else _default("size_px", 224, network=name)))
    if not networks:
        raise ValueError("networks is empty; expected name:size_px, comma-separated.")
    return networks


def _default(field: str, otherwise: int, **known: Any) -> int:
    """Give a field of the first of `DEFAULT_ROWS` that has the known ones, if there is any."""
    rows = (row._asdict() for row in DEFAULT_ROWS)
    return next((row[field] for row in rows if known.items() <= row.items()), otherwise)


def make_rows(
    networks: Sequence[tuple[str, int]] | None,
    modes: Sequence[str],
    batch_sizes: Sequence[int] | None,
) -> list[Row]:
    """List the rows to measure.

    Args:
      networks: (name, size in pixels) of each; None for the rows of `DEFAULT_ROWS`.
      modes: of `MODES`.
      batch_sizes: None for each row's default, which is 32 where it has none.

    Returns:
      The rows, none twice.

    Example:
      >>> [row.title() for row in make_rows([("lenet5", 28)], ["train"], [8])]
      ['lenet5 28 px train, batch 8']
    """
    if networks is None:
        chosen = [row for row in DEFAULT_ROWS if row.mode in modes]
    else:
        chosen = [
            Row(name, size, mode, _default("batch_size", 32, network=name, size_px=size, mode=mode))
            for name, size in networks
            for mode in modes
        ]
    if batch_sizes is not None:
        chosen = [row._replace(batch_size=size) for row in chosen for size in batch_sizes]
    return list(dict.fromkeys(chosen))


def scaling_rows(networks: Sequence[tuple[str, int]], modes: Sequence[str]) -> list[Row]:
    """List the rows that show how speed and memory grow with batch and image.

    Args:
      networks: (name, size in pixels) of each; the size is that of the batch sizes' rows.
      modes: of `MODES`.

    Returns:
      The rows, none twice.
    """
    rows = [
        row
        for name, size_px in networks
        for mode in modes
        for row in (
            *(Row(name, size_px, mode, batch) for batch in _SCALING_BATCH_SIZES),
            *(Row(name, size, mode, _SCALING_BATCH) for size in _SCALING_SIZES_PX),
        )
    ]
    return list(dict.fromkeys(rows))
