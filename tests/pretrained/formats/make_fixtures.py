"""Write the small files in `fixtures/` with PyTorch and Keras, which no test needs.

Run with PyTorch 2, Keras 3 and h5py installed, on a little-endian machine:

    KERAS_BACKEND=torch python tests/pretrained/formats/make_fixtures.py

The files were made by torch 2.13.0 and keras 3.15.1. What they hold is also in
`expected_torch.npz` and `expected_keras.npz`, bfloat16 as float32.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures"


def ramp(*shape: int) -> np.ndarray:
    """Eighths from -1 upwards: exact in every floating type while there are fewer than 256."""
    return (np.arange(np.prod(shape, dtype=int)) / 8 - 1).astype(np.float32).reshape(shape)


def torch_arrays() -> dict[str, np.ndarray]:
    base = ramp(4, 6)
    return {
        "conv.weight": ramp(2, 3, 3, 3),
        "half": ramp(5).astype(np.float16),
        "bfloat": ramp(7),
        "double": ramp(2, 2).astype(np.float64),
        "counts": np.array([-1, 2**40], np.int64),
        "mask": np.array([True, False, True]),
        "bytes": np.array([0, 255], np.uint8),
        "bn.num_batches_tracked": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "transposed": base.T.copy(),
        "shared_row": base[1].copy(),
        "every_second": base[::2, 1::2].copy(),
        "expanded": np.broadcast_to(ramp(1, 3), (2, 3)).copy(),
    }


def torch_checkpoint(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    import torch

    tensors = {name: torch.from_numpy(value.copy()) for name, value in arrays.items()}
    base = torch.from_numpy(ramp(4, 6))
    tensors |= {
        "bfloat": tensors["bfloat"].bfloat16(),
        "transposed": base.t(),
        "shared_row": base[1],
        "every_second": base[::2, 1::2],
        "expanded": torch.from_numpy(ramp(1, 3)).expand(2, 3),
        "conv.weight": torch.nn.Parameter(tensors["conv.weight"]),
    }
    layer = torch.nn.Module().state_dict()  # an OrderedDict with _metadata, as published files have
    layer.update({f"module.{name}": tensor for name, tensor in tensors.items()})
    return {
        "epoch": 3,
        "best_prec1": np.float64(91.25),
        "size": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "optimizer": {"state": {0: {"momentum": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
        "state_dict": layer,
    }


def write_torch() -> None:
    import torch

    arrays = torch_arrays()
    checkpoint = torch_checkpoint(arrays)
    torch.save(checkpoint, FIXTURES / "zip.pth")
    torch.save(checkpoint, FIXTURES / "zip_protocol4.pth", pickle_protocol=4)
    torch.save(checkpoint, FIXTURES / "legacy.th", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(2, 1), FIXTURES / "whole_module.pth")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), FIXTURES / "script.pt")
    np.savez_compressed(FIXTURES / "expected_torch.npz", **arrays)


def write_keras() -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    block_in = keras.layers.Input((3, 3, 2))
    conv = keras.layers.Conv2D(2, 1, name="inner")(block_in)
    block = keras.Model(block_in, conv, name="block")
    images = keras.layers.Input((5, 5, 3))
    hidden = keras.layers.Conv2D(2, 3, use_bias=False, name="stem")(images)
    hidden = block(keras.layers.BatchNormalization(name="stem_bn")(hidden))
    hidden = keras.layers.DepthwiseConv2D(3, name="depthwise")(hidden)
    logits = keras.layers.Dense(2, name="head")(keras.layers.Flatten()(hidden))
    model = keras.Model(images, logits, name="net")
    model.set_weights([ramp(*w.shape) + i for i, w in enumerate(model.get_weights())])
    for name in ("net.h5", "net.weights.h5", "net.keras"):
        save = model.save_weights if ".weights." in name else model.save
        save(FIXTURES / name)
    names = [
        "stem/kernel",
        *(f"stem_bn/{name}" for name in ("gamma", "beta")),
        *(f"stem_bn/{name}" for name in ("moving_mean", "moving_variance")),
        *("block/inner/kernel", "block/inner/bias"),
        *("depthwise/depthwise_kernel", "depthwise/bias", "head/kernel", "head/bias"),
    ]
    expected = dict(zip(names, model.get_weights(), strict=True))
    np.savez_compressed(FIXTURES / "expected_keras.npz", **expected)


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    write_torch()
    write_keras()
