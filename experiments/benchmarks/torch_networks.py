"""The networks in PyTorch: torchvision's, a package's EfficientNet-Lite, and six convolutions."""

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import nn

from experiments.benchmarks.serving import Unavailable, first_line

_WIDTHS = (32, 64, 128, 128, 256, 256)


def create_network(name: str, size_px: int, num_classes: int, options: dict[str, Any]) -> nn.Module:
    """Make a network with random parameters.

    Args:
      name: as `jaxcnn.models` has it.
      size_px: side of the images, which EfficientNet-Lite's padding is made for.
      num_classes: number of classes.
      options: those of the network; only `SixConv` takes any.

    Returns:
      A module from (B, 3, H, W) to (B, num_classes).

    Raises:
      Unavailable: if no package here has it.
    """
    if name == "six_conv":
        return SixConv(num_classes, options["dropout_rate"])
    if name.startswith("efficientnet_lite"):
        try:
            package = importlib.import_module("efficientnet_lite_pytorch")
        except ImportError:
            raise Unavailable("needs the package efficientnet_lite_pytorch") from None
        return package.EfficientNet.from_name(
            name.replace("_", "-"), num_classes=num_classes, image_size=size_px
        )
    build = getattr(import_torchvision().models, name, None)
    if build is None:
        raise Unavailable(f"torchvision has no {name}")
    return build(num_classes=num_classes)


def import_torchvision() -> ModuleType:
    """Import torchvision.

    Raises:
      Unavailable: if it is not installed, or its compiled extension does not load.
    """
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        raise Unavailable(f"torchvision: {first_line(error)}") from None


class SixConv(nn.Module):
    """Six 3x3 convolutions with BatchNorm, ReLU and 2x2 max pooling, the mean, and a linear layer.

    Args:
      num_classes: number of classes.
      dropout_rate: probability that a feature is dropped before the last layer.
    """

    def __init__(self, num_classes: int, dropout_rate: float) -> None:
        super().__init__()
        blocks = zip((3, *_WIDTHS), _WIDTHS, strict=False)
        self.blocks = nn.Sequential(*(self._block(before, width) for before, width in blocks))
        self.dropout = nn.Dropout(dropout_rate)
        self.head = nn.Linear(_WIDTHS[-1], num_classes)

    @staticmethod
    def _block(before: int, width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, H, W) to (B, num_classes)."""
        return self.head(self.dropout(self.blocks(x).mean(dim=(2, 3))))
