"""What is computed on: the device and the versions; asked in a process of its own."""

from collections.abc import Iterator
from typing import Any

import jax

from experiments.accelerator.children import Result
from jaxcnn.host.extras import versions

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "jaxcnn")


def results(spec: dict[str, Any]) -> Iterator[Result]:
    """Name the device that JAX computes on.

    Args:
      spec: nothing.

    Yields:
      One result, with "device", "platform" and "versions".
    """
    device = jax.devices()[0]
    memory = (device.memory_stats() or {}).get("bytes_limit")
    yield {
        "name": device.device_kind,
        "passed": None,
        "figures": {"devices": jax.device_count()}
        | ({"memory for JAX, GiB": memory / 2**30} if memory else {}),
        "device": device.device_kind,
        "platform": device.platform,
        "versions": versions(_PACKAGES),
    }
