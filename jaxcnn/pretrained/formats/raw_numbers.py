"""Raw numbers of a file, as arrays of this machine."""

import numpy as np


def item_bytes(code: str) -> int:
    """Count the bytes of a number: `code` is numpy's without byte order, or "bf16"."""
    return 2 if code == "bf16" else np.dtype(code).itemsize


def decode(data: bytes | bytearray, code: str, order: str = "<") -> np.ndarray:
    """Decode numbers that lie one after the other.

    Args:
      data: the numbers, and nothing beside them.
      code: numpy's code of their type, without byte order, or "bf16" for bfloat16.
      order: of their bytes, "<" or ">".

    Returns:
      A flat array of that type in this machine's byte order; bfloat16 is widened to float32, which
      is exact, and what is not 0 is True.

    Example:
      >>> decode(bytes.fromhex("c03f"), "bf16").tolist()
      [1.5]
    """
    if code == "bf16":
        return (np.frombuffer(data, f"{order}u2").astype(np.uint32) << 16).view(np.float32)
    if code == "b1":
        return np.frombuffer(data, np.uint8) != 0
    return np.frombuffer(data, order + code).astype(code)
