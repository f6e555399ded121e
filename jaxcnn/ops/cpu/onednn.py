"""Convolution and matrix product by the oneDNN that jaxlib carries, for x86 processors.

XLA's CPU backend links oneDNN, and runs it where a program holds its custom calls, which no public
function of JAX makes. Here they are made. Milliseconds forward on two cores with AVX-512, batch 16:

    image, channels, kernel          XLA     oneDNN
    56 px,   64 ->  64, 3 x 3         40       20
    28 px,  128 -> 128, 3 x 3         30       17
    224 px,   3 ->  64, 7 x 7, / 2    47       17
    112 px,  96, depthwise 3 x 3    > 700       9

What these calls look like is internal to XLA; checked with jaxlib 0.10.2. So each version of
jaxlib is tried once, in a process of its own, since a call that XLA misreads ends the process. A
verdict is kept in the user's cache folder; a trial that could not start or end gives none, and is
repeated by the next process; but one of bfloat16 that hangs has failed. Where the trial fails (no
oneDNN, another processor, another form of the calls), the operations fall back to what JAX has.
`JAXCNN_ONEDNN=0` turns them off, `1` on without a trial.

In bfloat16, products are added up in float32. The calls are made where the processor multiplies
bfloat16 (AVX-512 BF16 or AMX), after a trial of their own; `JAXCNN_ONEDNN_BFLOAT16=0` turns them
off, `1` on without trial, and without these instructions where oneDNN can emulate convolutions by
AVX-512; but its matrix product waits for threads of XLA's pool and hangs in about half of the runs:
it is never called there.

XLA cannot serialize these calls: a program that holds them must not be written to JAX's persistent
compilation cache. They are therefore made only where that is off, or inside `not_serialized()`.

Source: openxla/xla, xla/service/cpu/onednn_config.proto, onednn_convolution.cc, onednn_matmul.cc.
"""

import contextlib
import contextvars
import functools
import json
import os
import platform
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.ops.cpu.geometry import Geometry
from jaxcnn.ops.cpu.trial import TrialFailed, in_another_process, kept
from jaxcnn.ops.lowering import uses_calls

_SWITCH = "JAXCNN_ONEDNN"
_BFLOAT16_SWITCH = "JAXCNN_ONEDNN_BFLOAT16"
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of the processor
_CPUINFO = Path("/proc/cpuinfo")
_TRIAL_SECONDS = 120
SWITCHED_ON = {_SWITCH: "1", _BFLOAT16_SWITCH: "1"}  # in the environment of a trial
_CALL = "__onednn$"  # what the names of the calls begin with
# What oneDNN calls the operations that it does in the same pass, after the convolution.
ACTIVATIONS = {
    "linear": (),
    "relu": ("RELU",),
    "relu6": ("RELU6",),
    "silu": ("SWISH",),
    "gelu": ("GELU_ERF",),
}
_NOT_SERIALIZED = contextvars.ContextVar("jaxcnn_not_serialized", default=False)
_LEAST_SECONDS = "jax_persistent_cache_min_compile_time_secs"  # of all threads


class _NothingWritten:
    """Keeps JAX from writing programs while at least one thread asks for that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._askers = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._askers:
                self._before = getattr(jax.config, _LEAST_SECONDS)
                jax.config.update(_LEAST_SECONDS, float("inf"))  # nothing takes so long
            self._askers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._askers -= 1
            if not self._askers:
                jax.config.update(_LEAST_SECONDS, self._before)


_NOTHING_WRITTEN = _NothingWritten()


@contextlib.contextmanager
def not_serialized() -> Iterator[None]:
    """Compile programs that JAX's persistent compilation cache does not keep.

    Trace, lower and compile inside; what is traced may hold oneDNN's calls. Threads may overlap:
    what another one compiles meanwhile is not kept either.
    """
    token = _NOT_SERIALIZED.set(True)
    try:
        with _NOTHING_WRITTEN:
            yield
    finally:
        _NOT_SERIALIZED.reset(token)


def has_calls(lowered: jax.stages.Lowered) -> bool:
    """Tell whether a lowered program holds oneDNN's calls."""
    return _CALL in lowered.as_text()


def is_usable(dtype: Any = jnp.float32) -> bool:
    """Tell whether oneDNN's calls may be made in what is being traced now.

    Args:
      dtype: of their operands.
    """
    has_dtype = {jnp.dtype(jnp.float32): is_available, jnp.dtype(jnp.bfloat16): has_bfloat16}
    has = has_dtype.get(jnp.dtype(dtype))
    may_be_made = uses_calls() and (_NOT_SERIALIZED.get() or not _programs_are_cached())
    return has is not None and may_be_made and has()


def _programs_are_cached() -> bool:
    values = jax.config.values
    return bool(values["jax_enable_compilation_cache"] and values["jax_compilation_cache_dir"])


@functools.cache
def is_available() -> bool:
    """Tell whether jaxlib's oneDNN can be called here; asks once a process, tries once a jaxlib."""
    switch = os.environ.get(_SWITCH, "")
    if switch in ("0", "1"):
        return switch == "1"
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return _has_passed_trial("float32")


@functools.cache
def has_bfloat16() -> bool:
    """Tell whether oneDNN's calls are made in bfloat16; asks and tries as `is_available` does."""
    switch = os.environ.get(_BFLOAT16_SWITCH, "")
    if switch in ("0", "1"):
        return switch == "1" and runs_bfloat16() and is_available()
    return multiplies_bfloat16() and is_available() and _has_passed_trial("bfloat16")


@functools.cache
def multiplies_bfloat16() -> bool:
    """Tell whether the processor has instructions for products of bfloat16."""
    return not _BFLOAT16_FLAGS.isdisjoint(_processor_flags())


@functools.cache
def runs_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16, or oneDNN can emulate it by AVX-512.

    Elsewhere its calls in bfloat16 end the process by an illegal instruction.
    """
    return multiplies_bfloat16() or "avx512bw" in _processor_flags()


def _processor_flags() -> set[str]:
    with contextlib.suppress(OSError):
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("flags"):
                return set(line.split())
    return set()


def _has_passed_trial(dtype: str) -> bool:
    from jaxcnn.host.compilation_cache import machine  # which networks can do without

    def find() -> dict[str, bool] | None:
        works = _try_in_another_process(dtype)
        return None if works is None else {"works": works}

    # Another name where the trial tries more, so that what an earlier one found does not count.
    found = kept("onednn", f"{machine()}-{dtype}-3", find, "works")
    return found is not None and bool(found["works"])


def _try_in_another_process(dtype: str = "float32") -> bool | None:
    """Tell whether the calls work; None where the trial gives no verdict."""
    try:
        in_another_process(
            "jaxcnn.ops.cpu.onednn_trial:check_against_lax",
            dtype,
            seconds=_TRIAL_SECONDS,
            environment=SWITCHED_ON,
        )
    except TrialFailed:
        return False
    except TimeoutError:
        return None if dtype == "float32" else False  # bfloat16's are known to hang
    except OSError:
        return None
    return True


def takes(dtype: Any, kernel_size: Sequence[int], geometry: Geometry) -> bool:
    """Tell whether a call convolves so; in bfloat16 padding may not hold a whole kernel.

    There oneDNN falls back to a product whose threads may wait for each other for ever.

    Args:
      dtype: of the operands.
      kernel_size: height and width, px.
      geometry: how the kernel goes over the images.
    """
    spans = ((n - 1) * d + 1 for n, d in zip(kernel_size, geometry.dilation, strict=True))
    fits = all(max(pads) < span for pads, span in zip(geometry.pads, spans, strict=True))
    return dtype != jnp.bfloat16 or fits


def convolution(
    images: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    *,
    bias: jax.Array | None = None,
    addend: jax.Array | None = None,
    activation: str = "linear",
) -> jax.Array:
    """Convolve on the CPU; neither differentiable nor, by itself, fit for other platforms.

    Args:
      images: (B, H, W, C) float32 or bfloat16.
      kernel: (height, width, C / groups, features), dtype of `images`; (height, width, features, C)
        if `swap_channels`.
      geometry: how the kernel goes over the images; its pads are at least 0, and its channels are
        swapped in one group alone.
      bias: (features,), dtype of `images` or float32; added in the same pass over memory.
      addend: (B, H', W', features), dtype of `images`; likewise.
      activation: a name in `ACTIVATIONS`, of the sum; likewise.

    Returns:
      (B, H', W', features), dtype of `images`; added up in float32.
    """
    strides, pads, dilation, groups, *_ = geometry
    inputs, outputs = (3, 2) if geometry.swap_channels else (2, 3)
    spans = [(n - 1) * d + 1 for n, d in zip(kernel.shape[:2], dilation, strict=True)]
    height, width = (
        (n + sum(pad) - span) // step + 1
        for n, pad, span, step in zip(images.shape[1:3], pads, spans, strides, strict=True)
    )
    layout = {"dims": 4, "data": {"batch_dim": 0, "feature_dim": 3, "spatial_dims": [1, 2]}}
    of_kernel = {"input_feature_dim": inputs, "output_feature_dim": outputs, "spatial_dims": [0, 1]}
    config: dict[str, Any] = {
        "dims": 4,
        "input": layout,
        "output": layout,
        "kernel": {"dims": 4, "filter": of_kernel | {"shape": kernel.shape}},
        "window": {
            "size": kernel.shape[:2],
            "pad_left": [before for before, _ in pads],
            "pad_right": [after for _, after in pads],
            "strides": strides,
            "window_dilations": dilation,
        },
        "feature_groups": groups,
    }
    candidates = {"BIAS": bias, "BINARY_ADD": addend}
    added = {name: array for name, array in candidates.items() if array is not None}
    if operations := [*added, *ACTIVATIONS[activation]]:
        config["fusions"] = {"ops": operations}
    shape = (images.shape[0], height, width, kernel.shape[outputs])
    result = jax.ShapeDtypeStruct(shape, images.dtype)
    operands = (images, kernel, *added.values())
    return _custom_call("convolution", {"onednn_conv_config": config}, result, *operands)


def matrix_product(
    a: jax.Array, b: jax.Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> jax.Array:
    """Multiply two matrices on the CPU.

    Args:
      a: (M, K) float32, or (K, M) if `transpose_a`; bfloat16 only if `multiplies_bfloat16`.
      b: (K, N), or (N, K) if `transpose_b`; dtype of `a`.
      transpose_a: whether to transpose `a` first.
      transpose_b: whether to transpose `b` first.

    Returns:
      (M, N) float32.
    """
    config = {"onednn_matmul_config": {"transpose_a": transpose_a, "transpose_b": transpose_b}}
    shape = (a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1])
    return _custom_call("matmul", config, jax.ShapeDtypeStruct(shape, jnp.float32), a, b)


def _custom_call(
    name: str, config: dict[str, Any], result: jax.ShapeDtypeStruct, *operands: jax.Array
) -> jax.Array:
    call = jax.ffi.ffi_call(
        f"{_CALL}{name}",
        result,
        vmap_method="sequential",
        custom_call_api_version=2,
        legacy_backend_config=json.dumps(config),
    )
    return call(*operands)
