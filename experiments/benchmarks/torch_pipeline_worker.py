"""Load photos as torchvision's users do: Pillow and its transforms in a DataLoader's processes."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from experiments.benchmarks.serving import (
    MADE_AHEAD,
    Task,
    process_peak_bytes,
    usable_cores,
)
from experiments.benchmarks.torch_networks import import_torchvision


class Photos(torch.utils.data.Dataset):
    """Photos by number, decoded when asked for.

    Args:
      paths: of the photos.
      transform: from a Pillow image to a tensor.
    """

    def __init__(self, paths: list[str], transform: Any) -> None:
        self._paths, self._transform = paths, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        with Image.open(self._paths[i]) as opened:
            return self._transform(opened.convert("RGB"))


def make_task(spec: dict[str, Any]) -> Task:
    """Make the loading of batches, without end.

    Args:
      spec: "folder", "names" of the photos in it, "size_px", "batch_size".

    Returns:
      A task whose step is one batch.

    Raises:
      Unavailable: if torchvision is not installed.
    """
    torchvision = import_torchvision()
    transforms = importlib.import_module("torchvision.transforms")
    transform = transforms.Compose(
        [
            transforms.Resize(spec["size_px"]),
            transforms.CenterCrop(spec["size_px"]),
            transforms.ToTensor(),
        ]
    )
    paths = [str(Path(spec["folder"]) / name) for name in spec["names"]]
    loader = torch.utils.data.DataLoader(
        Photos(paths, transform),
        batch_size=spec["batch_size"],
        shuffle=True,
        num_workers=usable_cores(),
        persistent_workers=True,
        drop_last=True,
    )
    batches = _endless(loader)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    return Task(
        lambda: len(next(batches)), {"versions": versions}, process_peak_bytes, warm_up=MADE_AHEAD
    )


def _endless(loader: Any) -> Iterator[torch.Tensor]:
    while True:
        yield from loader
