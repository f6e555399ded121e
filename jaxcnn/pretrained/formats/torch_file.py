"""PyTorch's `.pth`, `.pt` and `.th`: the zip format since 1.6 and the one before it."""

import io
import math
import reprlib
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.pretrained.formats.archive import is_archive, open_archive, read_member
from jaxcnn.pretrained.formats.errors import Budget, WeightsFileError
from jaxcnn.pretrained.formats.raw_numbers import decode, item_bytes
from jaxcnn.pretrained.formats.torch_entries import find_state_dict
from jaxcnn.pretrained.formats.torch_pickle import load_pickle
from jaxcnn.pretrained.formats.torch_stand_ins import Storage, StorageType, Tensor

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
MAX_RANK = 32  # numpy 1's limit; a network's weights have rank 5 at most

# Gives the raw elements of a whole storage: 1-d, of its code's dtype, in this machine's order.
FetchStorage = Callable[[Storage], np.ndarray]


def read_torch_file(path: Path, key: str | None = None) -> dict[str, np.ndarray]:
    """Read the state dict of a PyTorch checkpoint, running none of it.

    Nested checkpoints are searched for the state dict. Entries that are not tensors are left out.

    Args:
      path: a file of `torch.save`, in the zip format or the one before PyTorch 1.6.
      key: of the entry that holds the weights, see `torch_entries.find_state_dict`.

    Returns:
      Arrays by name, in the file's order, each with its own memory; bfloat16 is widened to
      float32, which is exact.

    Raises:
      WeightsFileError: if the file is TorchScript, or holds anything but tensors, numbers and
        plain containers.
      Exception: of a kind that the damage decides, if it is damaged.

    Source: torch/serialization.py of PyTorch 2 (`_load`, `_legacy_load`); deviations: the tar
    format before PyTorch 0.1.10, quantized, sparse and complex tensors are refused.
    """
    return _read_zip(path, key) if is_archive(path) else _read_legacy(path, key)


def _read_zip(path: Path, key: str | None) -> dict[str, np.ndarray]:
    with open_archive(path) as archive:
        (pickled,) = [n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"]]
        root = pickled.removesuffix("data.pkl")
        if f"{root}constants.pkl" in archive.NameToInfo:
            raise WeightsFileError(
                f"{path}: is a TorchScript program, not a state dict; load it in PyTorch and "
                "save its state_dict()."
            )
        if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
            raise ValueError("its members are compressed, which PyTorch never does")
        order = _byte_order(archive, root)
        stream = io.BytesIO(read_member(archive, pickled))
        content = load_pickle(stream, path, _named_storage)

        def fetch(storage: Storage) -> np.ndarray:
            return _decode(read_member(archive, f"{root}data/{storage.key}"), storage, order)

        return _read_tensors(path, find_state_dict(content, path, key), fetch)


def _byte_order(archive: zipfile.ZipFile, root: str) -> str:
    if f"{root}byteorder" not in archive.NameToInfo:  # files of PyTorch before 2.1
        return "<"
    return {b"little": "<", b"big": ">"}[read_member(archive, f"{root}byteorder")]


def _read_legacy(path: Path, key: str | None) -> dict[str, np.ndarray]:
    stream = io.BytesIO(path.read_bytes())
    magic, version = load_pickle(stream, path), load_pickle(stream, path)
    if (magic, version) != (MAGIC_NUMBER, PROTOCOL_VERSION):
        raise ValueError(
            f"magic number {reprlib.repr(magic)}, protocol version {reprlib.repr(version)}"
        )
    load_pickle(stream, path)  # the writer's system; the storages are little-endian everywhere
    roots: dict[str, Storage] = {}

    def named(pid: Any) -> Storage:
        storage = _named_storage(pid)
        if roots.setdefault(storage.key, storage).code != storage.code:
            raise ValueError(f"storage {storage.key!r} has two element types")
        return storage

    content = load_pickle(stream, path, named)
    data: dict[str, np.ndarray] = {}
    for name in load_pickle(stream, path):
        (numel,) = struct.unpack("<q", stream.read(8))
        root = roots[name]
        if numel != root.root_numel:
            raise ValueError(f"storage {name!r} has {numel} elements, declared {root.root_numel}")
        data[name] = _decode(stream.read(numel * item_bytes(root.code)), root, "<")
    return _read_tensors(path, find_state_dict(content, path, key), lambda s: data[s.key])


def _named_storage(pid: Any) -> Storage:
    # ("storage", type, key, device, numel); legacy files add None or a view (key, offset, numel).
    match pid:
        case ("storage", StorageType() as kind, str() as key, str(), int() as numel, *rest):
            offset, length = _view(rest, numel)
            return Storage(key, kind.code, offset, length, numel)
    raise ValueError(f"unexpected name of a storage: {reprlib.repr(pid)}")


def _view(rest: list, numel: int) -> tuple[int, int]:
    if rest in ([], [None]):
        return 0, numel
    match rest:
        case [(str(), int() as offset, int() as length)] if 0 <= offset <= offset + length <= numel:
            return offset, length
    raise ValueError(f"unexpected view of a storage: {reprlib.repr(rest)}")


def _decode(data: bytes, storage: Storage, order: str) -> np.ndarray:
    if len(data) != storage.root_numel * item_bytes(storage.code):
        raise ValueError(
            f"storage {storage.key!r} has {len(data)} bytes for {storage.root_numel} elements"
        )
    return decode(data, storage.code, order)


def _read_tensors(
    path: Path, tensors: dict[str, Tensor], fetch: FetchStorage
) -> dict[str, np.ndarray]:
    budget = Budget(path, path.stat().st_size)
    fetched: dict[tuple[str, str], np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        key = (tensor.storage.key, tensor.storage.code)
        if key not in fetched:
            fetched[key] = fetch(tensor.storage)
        _check_bounds(name, tensor)
        budget.take(math.prod(tensor.shape) * fetched[key].itemsize, f"tensor {name!r}")
        arrays[name] = _strided(tensor, fetched[key])
    return arrays


def _check_bounds(name: str, tensor: Tensor) -> None:
    numbers = (tensor.offset, *tensor.shape, *tensor.strides)
    if not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError(f"tensor {name!r} has offset, shape and strides {numbers}"[:200])
    if not len(tensor.shape) == len(tensor.strides) <= MAX_RANK:
        raise ValueError(f"tensor {name!r}: shape {tensor.shape}, strides {tensor.strides}"[:200])
    pairs = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in pairs)
    if 0 not in tensor.shape and last >= tensor.storage.numel:
        raise ValueError(
            f"tensor {name!r} reaches element {last} of a storage of {tensor.storage.numel}"
        )


def _strided(tensor: Tensor, root: np.ndarray) -> np.ndarray:
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, root.dtype)
    view = root[tensor.storage.offset + tensor.offset :]
    strides = [stride * root.itemsize for stride in tensor.strides]
    strided = np.lib.stride_tricks.as_strided(view, tensor.shape, strides, writeable=False)
    return np.array(strided, order="C")
