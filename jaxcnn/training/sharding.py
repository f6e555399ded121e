"""Where arrays lie: batches split over all devices, parameters whole or split, one program.

The devices form a mesh of two axes. A batch is split over both. Along "data" parameters are
copied; along "fsdp" each large array of parameters and optimizer state is split, and gathered where
a step needs it (fully sharded data parallelism). The compiler adds the communication, so a step is
written for the whole batch and means the same on any mesh: BatchNorm's statistics, the loss and the
gradient's norm are those of all examples.

Source: Zhao et al. 2023, arXiv:2304.11277; Rajbhandari et al. 2020, arXiv:1910.02054 (ZeRO-3).
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.host.names import unknown_name
from jaxcnn.ops.lowering import stock_ops
from jaxcnn.types import PyTree, TrainState

DATA, FSDP = "data", "fsdp"
_LEAST_SPLIT = 2**12  # numbers; smaller arrays cost more to gather than to keep whole


def parse_mesh(text: str, num_devices: int, *, batch_size: int = 0) -> dict[str, int]:
    """Read the sizes of a mesh's axes.

    Args:
      text: "auto" for all devices along "data"; or axes with sizes, such as "data:4,fsdp:2". An
        axis left out has size 1, but "data" takes the devices that "fsdp" alone leaves.
      num_devices: devices there are, of all processes together.
      batch_size: examples that the devices share; 0 for any. With "auto", as many devices are
        taken as divide it.

    Returns:
      {"data": ..., "fsdp": ...}.

    Raises:
      ValueError: if an axis is unknown, a size no number above 0, or the devices are not enough.

    Example:
      >>> parse_mesh("auto", 8, batch_size=20)
      {'data': 5, 'fsdp': 1}
      >>> parse_mesh("fsdp:2", 8), parse_mesh("data:2", 8)
      ({'data': 4, 'fsdp': 2}, {'data': 2, 'fsdp': 1})
    """
    if text == "auto":
        ways = (n for n in range(num_devices, 0, -1) if batch_size % n == 0)
        return {DATA: next(ways), FSDP: 1}
    sizes = mesh_sizes(text)
    fsdp = sizes.get(FSDP, 1)
    sizes = {DATA: sizes.get(DATA, max(1, num_devices // fsdp)), FSDP: fsdp}
    if sizes[DATA] * fsdp > num_devices:
        raise ValueError(
            f"mesh={text} needs {sizes[DATA] * fsdp} devices, there are {num_devices}; lower a "
            "size, or use mesh=auto."
        )
    return sizes


def mesh_sizes(text: str) -> dict[str, int]:
    """Read the sizes that a setting `mesh` gives, whatever devices there are; "auto" gives none.

    Raises:
      ValueError: if an axis is unknown, or a size no number above 0.
    """
    sizes: dict[str, int] = {}
    if text == "auto":
        return sizes
    for part in text.split(","):
        name, _, size = (word.strip() for word in part.partition(":"))
        if name not in (DATA, FSDP):
            raise ValueError(f"mesh={text}: {unknown_name('axis', name, (DATA, FSDP))}")
        if not size.isdecimal() or int(size) < 1 or name in sizes:
            raise ValueError(
                f"mesh must be auto or axes with sizes, each once, such as data:4,fsdp:2; "
                f"got {text!r}."
            )
        sizes[name] = int(size)
    return sizes


@dataclasses.dataclass(frozen=True)
class Layout:
    """A mesh of devices, and the rules by which arrays lie on it.

    Attributes:
      mesh: with the axes "data" and "fsdp".

    Example:
      >>> Layout.make(batch_size=32).is_host
      True
    """

    mesh: Mesh

    @classmethod
    def make(
        cls, text: str = "auto", *, batch_size: int = 0, devices: Sequence[Any] | None = None
    ) -> "Layout":
        """Lay out devices as `parse_mesh` reads.

        Args:
          text: see `parse_mesh`.
          batch_size: examples of a batch; 0 for any number.
          devices: those to use; None for all devices of all processes.

        Returns:
          A layout. Devices stand in their order, so process p has the p-th part of each batch.

        Raises:
          ValueError: if the text cannot be read, the devices do not divide a batch, or devices of
            another process would be left unused.
        """
        devices = jax.devices() if devices is None else devices
        sizes = parse_mesh(text, len(devices), batch_size=batch_size)
        used = sizes[DATA] * sizes[FSDP]
        if batch_size % used:
            raise ValueError(
                f"batch_size (={batch_size}) is no multiple of the {used} devices of mesh={text}, "
                f"which share each batch; use {batch_size - batch_size % used + used}."
            )
        if used < len(devices) and jax.process_count() > 1:
            raise ValueError(
                f"mesh={text} uses {used} of {len(devices)} devices; with several processes all "
                "must be used."
            )
        shape = (sizes[DATA], sizes[FSDP])
        return cls(Mesh(np.asarray(devices[:used]).reshape(shape), (DATA, FSDP)))

    @property
    def is_single(self) -> bool:
        """Whether there is but one device."""
        return self.mesh.size == 1

    @property
    def is_host(self) -> bool:
        """Whether the devices are CPUs."""
        return self.mesh.devices.flat[0].platform == "cpu"

    def describe(self) -> str:
        """Say what there is, such as "8 x TPU v5 lite (data 4, fsdp 2)"."""
        kind = self.mesh.devices.flat[0].device_kind
        axes = ", ".join(f"{name} {size}" for name, size in self.mesh.shape.items() if size > 1)
        return f"{self.mesh.size} x {kind}" + (f" ({axes})" if axes else "")

    def round_up(self, size: int) -> int:
        """Give the least multiple of the number of devices that is at least `size`."""
        return -(-size // self.mesh.size) * self.mesh.size

    def tracing(self) -> AbstractContextManager[None]:
        """Give the context to trace programs in.

        Programs for several devices hold XLA's own operations alone: it can split those, and would
        gather the operands of others.
        """
        return contextlib.nullcontext() if self.is_single else stock_ops()

    # What lies where

    @property
    def replicated(self) -> NamedSharding:
        """Of arrays that every device holds whole."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def batched(self) -> NamedSharding:
        """Of arrays whose rows are split over all devices."""
        return NamedSharding(self.mesh, PartitionSpec((DATA, FSDP)))

    def split(self, shape: Sequence[int]) -> NamedSharding:
        """Choose how parameters or optimizer state of a shape lie along "fsdp".

        The last axis that its size divides is split, of those as long as the longest; small arrays
        and those that none divides stay whole.
        """
        ways = self.mesh.shape[FSDP]
        fits = [i for i, size in enumerate(shape) if size % ways == 0]
        if ways == 1 or not fits or np.prod(shape) < _LEAST_SPLIT:
            return self.replicated
        axis = max(fits, key=lambda i: (shape[i], i))
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, FSDP))

    def shardings(self, tree: PyTree) -> PyTree:
        """Choose how each array of a state or of parameters lies."""
        return jax.tree.map(lambda leaf: self.split(leaf.shape), tree)

    # Shapes to compile for, arrays to compute with

    def state_shapes(self, tree: PyTree) -> PyTree:
        """Give the shapes of parameters or a state, as they lie."""
        return _shapes(tree, self.split)

    def batch_shapes(self, tree: PyTree) -> PyTree:
        """Give the shapes of a whole batch, as it lies."""
        return _shapes(tree, lambda shape: self.batched)

    def put_state(self, tree: PyTree) -> PyTree:
        """Lay parameters or a state, equal on each process, on the devices."""
        return jax.tree.map(lambda leaf: _place(leaf, self.split(leaf.shape)), tree)

    def put_key(self, key: jax.Array) -> jax.Array:
        """Lay a key, equal on each process, on every device."""
        data = _place(np.asarray(jax.random.key_data(key)), self.replicated)
        wrap = functools.partial(jax.random.wrap_key_data, impl=jax.random.key_impl(key))
        return jax.jit(wrap, out_shardings=self.replicated)(data)

    def put_batch(self, batch: PyTree) -> PyTree:
        """Lay this process's rows of a batch on its devices; safe for many threads."""
        if jax.process_count() == 1:  # half the Python of the general way
            return jax.device_put(batch, self.batched)
        return jax.tree.map(
            lambda rows: jax.make_array_from_process_local_data(self.batched, np.asarray(rows)),
            batch,
        )

    def gathered(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Make a step gather the parameters that are split, before it computes with them.

        Args:
          step: a pure function of a TrainState or of variables, and more.

        Returns:
          The same function of values, with the communication fixed.
        """
        if self.mesh.shape[FSDP] == 1:
            return step
        whole = functools.partial(jax.lax.with_sharding_constraint, shardings=self.replicated)

        def gathering(state: PyTree, *rest: Any) -> Any:
            if isinstance(state, TrainState):
                return step(state._replace(params=whole(state.params)), *rest)
            return step(whole(state), *rest)

        return gathering


def fetch(tree: PyTree) -> PyTree:
    """Bring arrays to the host, whole, on every process.

    Args:
      tree: of arrays, wherever they lie. Where several processes hold parts of one, all must call.

    Returns:
      The same tree of numpy arrays.
    """
    return jax.tree.map(_fetch, tree)


def _shapes(tree: PyTree, sharding_of: Callable[[Sequence[int]], NamedSharding]) -> PyTree:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding_of(x.shape)), tree
    )


def _fetch(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
    return np.asarray(leaf)


def _place(leaf: Any, sharding: NamedSharding) -> jax.Array:
    if jax.process_count() == 1:
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])
