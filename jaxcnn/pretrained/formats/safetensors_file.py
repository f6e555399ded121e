"""Hugging Face's `.safetensors`: a JSON header and raw arrays."""

from pathlib import Path

import numpy as np

from jaxcnn.host.extras import require
from jaxcnn.pretrained.formats.errors import WeightsFileError, reading

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}


def read_safetensors_file(path: Path | str) -> dict[str, np.ndarray]:
    """Read every tensor of a `.safetensors` file.

    Args:
      path: the file.

    Returns:
      Arrays by name, sorted by name; bfloat16 is widened to float32, which is exact.

    Raises:
      WeightsFileError: if the header or the data is damaged, or a dtype has no numpy equal.

    Source: https://github.com/huggingface/safetensors, section "Format".
    """
    require("a safetensors file", "safetensors", extra="pretrained")
    from safetensors import SafetensorError, deserialize

    path = Path(path)
    with reading(path, "safetensors"):
        try:
            tensors = dict(deserialize(path.read_bytes()))
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        return {name: _array(path, name, tensors[name]) for name in sorted(tensors)}


def _array(path: Path, name: str, tensor: dict) -> np.ndarray:
    code, shape, data = tensor["dtype"], tensor["shape"], tensor["data"]
    if code == "BF16":
        return widen_bfloat16(np.frombuffer(data, "<u2")).reshape(shape)
    if code == "BOOL":
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    if code not in DTYPES:
        raise WeightsFileError(
            f"{path}: tensor {name!r} has dtype {code}; expected one of BF16, BOOL, "
            f"{', '.join(DTYPES)}. Convert it to float32 where it was made."
        )
    return np.frombuffer(data, DTYPES[code]).reshape(shape).astype(DTYPES[code].lstrip("<"))


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Widen bfloat16 to float32, exactly.

    Args:
      bits: uint16, the upper half of a float32 each.

    Returns:
      float32 of the same shape.

    Example:
      >>> float(widen_bfloat16(np.array([0x3FC0], np.uint16))[0])
      1.5
    """
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
