"""Inert stand-ins for what PyTorch's pickles name: nothing of theirs is imported or run."""

import pickle
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_DIMENSIONS = 64  # of a tensor


class Inert:
    """A stand-in that a pickle can hold but not change."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise pickle.UnpicklingError(f"the pickle tries to change a {type(self).__name__}")


@dataclass(slots=True, eq=False)
class StorageType(Inert):
    """The element type of a storage: `code` is numpy's without byte order, or "bf16"."""

    code: str


@dataclass(slots=True, eq=False)
class Storage(Inert):
    """A flat run of elements somewhere in the file.

    `offset` and `numel` count elements; `offset` is not 0 only in a view of a legacy file.
    """

    key: str
    code: str
    offset: int
    numel: int
    root_numel: int


@dataclass(slots=True, eq=False)
class Tensor(Inert):
    """A strided view of a storage, not read yet and not checked yet."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class Mapping(dict):
    """Stands for `collections.OrderedDict`; attributes such as `_metadata` are dropped."""

    def __setstate__(self, state: object) -> None:
        """Drop the attributes."""


class Ignored:
    """Stands for a value that no weights file needs, e.g. a numpy scalar or a device.

    Training programs save their settings and their progress beside the weights. What is of a class
    of `DISCARDED` becomes one of these, and all that the pickle puts into it is dropped.
    """

    __slots__ = ()

    def __new__(cls, *args: object) -> "Ignored":
        """Take whatever the class would be made of, and keep nothing."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Drop the attributes."""

    def __setitem__(self, key: object, value: object) -> None:
        """Drop the item."""


@dataclass(slots=True, eq=False)
class Admitted(Inert):
    """A callable that a pickle may call; what it makes is plain data."""

    make: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        """Make the plain data."""
        return self.make(*args)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *extras: Any) -> Tensor:
    # extras: requires_grad, backward hooks, and since 1.13 a mapping for conjugates and the like.
    if len(extras) > 2 and extras[2]:
        raise pickle.UnpicklingError(f"a tensor has metadata {reprlib.repr(extras[2])}")
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError(f"a tensor's storage is a {type(storage).__name__}")
    if not isinstance(shape, tuple | list) or not isinstance(strides, tuple | list):
        raise pickle.UnpicklingError("a tensor's shape or strides are no tuples")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _size(items: Iterable = ()) -> tuple:
    found = tuple(items)
    if len(found) > MAX_DIMENSIONS:
        raise pickle.UnpicklingError(f"a tensor has {len(found)} dimensions")
    return found


def _encode(text: str, encoding: str = "latin1") -> bytes:
    # How protocol 2 writes bytes.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes come in encoding {encoding!r}; expected latin1")
    return text.encode("latin1")


CODES = {
    "Float": "f4",
    "Double": "f8",
    "Half": "f2",
    "BFloat16": "bf16",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "b1",
}
IGNORED = Admitted(Ignored)
# Classes of plain data that training programs leave in their checkpoints.
DISCARDED = {
    "argparse": "Namespace",  # timm, references of torchvision
    "fastcore.foundation": "L",  # fastai
    "lightning.fabric.utilities.data": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "mmengine.logging.history_buffer": "HistoryBuffer",  # MMPretrain
    "collections": "Counter",  # schedules with milestones
    "pathlib": "Path PosixPath WindowsPath PurePosixPath PureWindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath PurePosixPath PureWindowsPath",
}
STAND_INS: dict[tuple[str, str], Inert | type[Ignored]] = {
    ("collections", "OrderedDict"): Admitted(Mapping),
    ("_codecs", "encode"): Admitted(_encode),
    ("torch", "Size"): Admitted(_size),
    ("torch", "device"): IGNORED,
    ("torch._utils", "_rebuild_tensor"): Admitted(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Admitted(_tensor),
    ("torch._utils", "_rebuild_parameter"): Admitted(lambda data, *extras: data),
    ("torch.storage", "UntypedStorage"): StorageType("u1"),
    ("torch.storage", "TypedStorage"): StorageType("u1"),
    ("numpy", "dtype"): IGNORED,
    ("numpy.core.multiarray", "scalar"): IGNORED,
    ("numpy._core.multiarray", "scalar"): IGNORED,
    ("numpy", "ndarray"): IGNORED,
    ("numpy.core.multiarray", "_reconstruct"): IGNORED,
    ("numpy._core.multiarray", "_reconstruct"): IGNORED,
    **{
        (module, name): Ignored  # NEWOBJ makes instances of classes alone
        for module, names in DISCARDED.items()
        for name in names.split()
    },
    **{("torch", f"{name}Storage"): StorageType(code) for name, code in CODES.items()},
}
