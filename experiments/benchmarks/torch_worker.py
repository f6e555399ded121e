"""The contestants in PyTorch, eager and compiled; needs no JAX in its environment.

The networks are torchvision's, a package's EfficientNet-Lite, and six convolutions. channels_last,
as PyTorch's own guide advises for convolutions; everything else as it comes.
"""

import contextlib
import functools
import importlib
import os
import sys
import tempfile
import timeit
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import nn

from experiments.benchmarks.serving import Task, Unavailable, first_line, process_peak_bytes

_WIDTHS = (32, 64, 128, 128, 256, 256)  # of six_conv
_KEPT: list[torch.library.Library] = []  # what they declare is known while they live


def make_task(spec: dict[str, Any]) -> Task:
    """Make the step of a network, compiled where the contestant is "torch_compile".

    Args:
      spec: "contestant", "network", "size_px", "batch_size", "mode", "dtype", "num_classes",
        "options".

    Returns:
      A task whose step is one step of training or inference.

    Raises:
      Unavailable: if the network is not to be had.
    """
    torch.manual_seed(0)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    if on_gpu:  # as JAX has it by default: algorithms tried out, float32 products in TensorFloat-32
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    batch_size, size_px = spec["batch_size"], spec["size_px"]
    model = create_network(spec["network"], size_px, spec["num_classes"], spec["options"])
    model = model.to(device, memory_format=torch.channels_last)
    images = torch.randn(batch_size, 3, size_px, size_px, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(spec["num_classes"], (batch_size,), device=device)
    run = make_step(model, images, labels, spec)

    def step() -> int:
        run()
        if on_gpu:
            torch.cuda.synchronize()
        return batch_size

    facts = {
        "num_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "versions": {"torch": torch.__version__},
        "compile_seconds": (
            _compile_seconds(step) if spec["contestant"] == "torch_compile" else 0.0
        ),
    }
    return Task(facts, step, torch.cuda.max_memory_allocated if on_gpu else process_peak_bytes)


def make_step(
    model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, spec: dict[str, Any]
) -> Callable[[], None]:
    """Make one step of training or inference, compiled where the contestant is.

    Args:
      model: the network, whose parameters training changes.
      images: (B, 3, H, W).
      labels: (B,) integers.
      spec: "contestant", "mode" and "dtype", as for `make_task`.

    Returns:
      The step; it may return before the device has ended it.
    """
    model.train(spec["mode"] == "train")
    network = torch.compile(model) if spec["contestant"] == "torch_compile" else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    autocast = functools.partial(
        torch.autocast,
        images.device.type,
        dtype=torch.bfloat16,
        enabled=spec["dtype"] == "bfloat16",
    )

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()

    def infer() -> None:
        with torch.inference_mode(), autocast():
            network(images)

    return train if spec["mode"] == "train" else infer


def _compile_seconds(run: Callable[[], Any]) -> float:
    """Time the first step, which compiles, less the second, which only runs."""
    # Compiled code that an earlier run left on disk would hide what compiling costs.
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        first, second = timeit.repeat(run, repeat=2, number=1)
    return max(first - second, 0.0)


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
    """Import torchvision, without its compiled extension where that is of another PyTorch.

    Raises:
      Unavailable: if it is not installed, or does not load.
    """
    try:
        with contextlib.suppress(RuntimeError):
            return importlib.import_module("torchvision")
        return _import_without_extension()
    except (ImportError, RuntimeError) as error:
        raise Unavailable(f"torchvision: {first_line(error)}") from None


def _import_without_extension() -> ModuleType:
    """Declare the operators of detection that its import asks for, and classifiers do without."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(operators)
    return importlib.import_module("torchvision")


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
