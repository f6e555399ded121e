"""Hugging Face's `.safetensors`: a JSON header and raw arrays."""

from pathlib import Path

import numpy as np

from jaxcnn.host.extras import require
from jaxcnn.pretrained.formats.errors import WeightsFileError
from jaxcnn.pretrained.formats.raw_numbers import decode

CODES = {
    **{f"F{bits}": f"f{bits // 8}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BF16": "bf16",
    "BOOL": "b1",
}


def read_safetensors_file(path: Path) -> dict[str, np.ndarray]:
    """Read every tensor of a `.safetensors` file.

    Args:
      path: the file.

    Returns:
      Arrays by name, sorted by name; bfloat16 is widened to float32, which is exact.

    Raises:
      WeightsFileError: if a dtype has no numpy equal.
      ValueError: if the header or the data is damaged.

    Source: https://github.com/huggingface/safetensors, section "Format".
    """
    require("a safetensors file", "safetensors", extra="pretrained")
    from safetensors import SafetensorError, deserialize

    try:
        tensors = dict(deserialize(path.read_bytes()))
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    for name, tensor in tensors.items():
        if tensor["dtype"] not in CODES:
            raise WeightsFileError(
                f"{path}: tensor {name!r} has dtype {tensor['dtype']}; expected one of "
                f"{', '.join(CODES)}. Convert it to float32 where it was made."
            )
    return {
        name: decode(tensor["data"], CODES[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in sorted(tensors.items())
    }
