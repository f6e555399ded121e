"""Python pickles as PyTorch writes them, opened without running anything in them.

A pickle is a program for a small stack machine; two of its instructions fetch any object of any
module and call it. Here `find_class` never imports: it looks a name up in a table of inert
stand-ins, and all other names are refused. Before that, a scan over the instructions bounds their
number, their nesting, what they expand to where values are shared, and the memo, and refuses those
that PyTorch has no use for.
"""

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.torch_stand_ins import STAND_INS, Ignored, Inert

MAX_OPCODES = 2_000_000
MAX_NESTING = 1_000
MAX_EXPANDED = 4 * MAX_OPCODES  # values in one value, shared ones counted wherever they stand

# All but those that make sets and buffers, make instances by keywords, or fetch from registries.
LISTED_OPCODES = """
    PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG
    LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE
    BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE
    TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET
    LONG_BINGET GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID
"""
OPCODES = frozenset(LISTED_OPCODES.split())


def load_pickle(
    stream: BinaryIO, path: Path, persistent_load: Callable[[Any], Any] | None = None
) -> Any:
    """Open one pickle and build its plain data, tensors left unread.

    Args:
      stream: stands at the pickle's first byte, and afterwards behind its last.
      path: the file it is from, for messages.
      persistent_load: makes a `Storage` from the tuple that names one; None where none may occur.

    Returns:
      Numbers, strings, lists, tuples, dicts, `Tensor` and `Storage`.

    Raises:
      WeightsFileError: if the pickle asks for anything but tensors and plain containers.
      Exception: of a kind that the damage decides, if it is damaged.
    """
    start = stream.tell()
    _scan(stream, path)
    end = stream.tell()
    stream.seek(start)
    unpickler = _Unpickler(io.BytesIO(stream.read(end - start)), path, persistent_load)
    return unpickler.load()


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, stream: BinaryIO, path: Path, persistent_load: Callable[[Any], Any] | None
    ) -> None:
        super().__init__(stream, encoding="utf-8")
        self._path = path
        self._persistent_load = persistent_load

    def find_class(self, module: str, name: str) -> Any:
        return _stand_in(self._path, module, name)

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent_load is None:
            raise pickle.UnpicklingError("a storage is named where none belongs")
        return self._persistent_load(pid)


def _stand_in(path: Path, module: str, name: str) -> Inert | type[Ignored]:
    if (module, name) not in STAND_INS:
        raise WeightsFileError(
            f"{path}: the file asks for {module}.{name}, which could run commands on this machine; "
            "it was refused and nothing of the file was run. Only tensors, numbers and plain "
            "containers are read: where the file is your own, save model.state_dict() alone."
        )
    return STAND_INS[module, name]


def _scan(stream: BinaryIO, path: Path) -> None:
    # Every check here is on the instructions alone: nothing is built yet.
    stack: list[_Extent | None] = []  # of each value on the stack, None for a mark
    memo: dict[int, _Extent] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in ("GLOBAL", "INST"):
            _stand_in(path, *str(argument).split(" ", 1))
        if opcode.name not in OPCODES:
            raise WeightsFileError(
                f"{path}: the file uses the pickle instruction {opcode.name}, which no file of "
                "weights needs; it was refused and nothing of the file was run."
            )
        if count > MAX_OPCODES:
            raise ValueError(f"a pickle has more than {MAX_OPCODES:,} instructions")
        _follow(opcode, argument, stack, memo)


class _Extent(NamedTuple):
    """How large a value is that the instructions would build."""

    depth: int
    size: int  # hashing or printing a value visits shared parts again each time


def _follow(
    opcode: Any, argument: Any, stack: list[_Extent | None], memo: dict[int, _Extent]
) -> None:
    taken = _pop(opcode, stack)
    made = _Extent(1 + max((t.depth for t in taken), default=0), 1 + sum(t.size for t in taken))
    if made.depth > MAX_NESTING:
        raise ValueError(f"a pickle nests deeper than {MAX_NESTING:,}")
    if made.size > MAX_EXPANDED:
        raise ValueError(f"a pickle expands to more than {MAX_EXPANDED:,} values")
    if opcode.name.endswith("PUT") or opcode.name == "MEMOIZE":
        # Memo places are numbered from 0; a huge number would make the unpickler fill memory.
        place = len(memo) if argument is None else argument
        if place > MAX_OPCODES:
            raise ValueError(f"a pickle has memo place {place}")
        # MEMOIZE takes its value off the stack for us and puts it back, PUT leaves it there.
        memo[place] = taken[0] if argument is None else _top(stack)
    if opcode.name.endswith("GET"):
        made = memo[argument]
    elif opcode.name in ("MEMOIZE", "DUP"):
        made = taken[0]
    for after in opcode.stack_after:
        stack.append(None if after is pickletools.markobject else made)


def _top(stack: list[_Extent | None]) -> _Extent:
    if stack[-1] is None:
        raise ValueError("a pickle stores a mark")
    return stack[-1]


def _pop(opcode: Any, stack: list[_Extent | None]) -> list[_Extent]:
    taken, wanted = [], opcode.stack_before
    if pickletools.markobject in wanted:
        while (extent := stack.pop()) is not None:
            taken.append(extent)
        wanted = wanted[: wanted.index(pickletools.markobject)]
    for _ in wanted:
        taken.append(_top(stack))
        stack.pop()
    return taken
