"""The contestants in PyTorch, eager and compiled; needs no JAX in its environment.

channels_last, as PyTorch's own guide advises for convolutions; everything else as it comes.
"""

import functools
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from experiments.benchmarks.serving import Task, process_peak_bytes
from experiments.benchmarks.torch_networks import create_network


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
        times = []
        for _ in range(2):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return max(times[0] - times[1], 0.0)
