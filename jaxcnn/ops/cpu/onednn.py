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
repeated by the next process. Where the trial fails (no oneDNN, another processor, another form of
the calls), the operations fall back to what JAX has. `JAXCNN_ONEDNN=0` turns them off, `1` on
without a trial.

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
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from jaxcnn.host.files import write_json
from jaxcnn.host.folders import cache_folder
from jaxcnn.ops.cpu.geometry import Geometry, by_xla

_SWITCH = "JAXCNN_ONEDNN"
_TRIAL_SECONDS = 120
_CALL = "__onednn$"  # what the names of the calls begin with
_TRIAL = """
import sys, traceback
from jaxcnn.ops.cpu import onednn
try:
    onednn.check_against_lax()
except Exception:
    traceback.print_exc()
    sys.exit({failed})
"""
_FAILED = 3  # exit status of a trial that ended with a wrong result or an error of XLA
# Others, such as SIGKILL and SIGTERM, come from outside and say nothing of oneDNN.
_CRASHES = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"}
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


def is_usable() -> bool:
    """Tell whether oneDNN's calls may be made in what is being traced now."""
    return (_NOT_SERIALIZED.get() or not _programs_are_cached()) and is_available()


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
    from jaxcnn.host.compilation_cache import machine  # which networks can do without

    kept = cache_folder() / "onednn" / f"jaxlib-{jaxlib.__version__}-{machine()}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return bool(json.loads(kept.read_text())["works"])
    works = _try_in_another_process()
    if works is None:
        return False
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, {"works": works})
    return works


def _try_in_another_process() -> bool | None:
    """Tell whether the calls work; None where the trial gives no verdict."""
    code = _TRIAL.format(failed=_FAILED)
    environment = dict(os.environ, JAX_PLATFORMS="cpu", **{_SWITCH: "1"})
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    for name in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):
        environment.pop(name, None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode in (0, _FAILED):
        return done.returncode == 0
    crashes = [-number for number in signal.Signals if number.name in _CRASHES]
    return False if done.returncode in crashes else None


def check_against_lax() -> None:
    """Compare every kind of call with `lax` on small arrays.

    Raises:
      AssertionError: where they differ.
    """
    draws = np.random.default_rng(0)
    cases = (  # channels, features, groups, kernel size, stride, dilation
        (16, 24, 1, 3, 1, 1),
        (3, 16, 1, 7, 2, 1),
        (16, 16, 16, 3, 2, 1),
        (16, 32, 4, 3, 1, 2),
        (20, 16, 1, 1, 1, 1),
    )
    for channels, features, groups, size, stride, dilation in cases:
        x = jnp.asarray(draws.normal(size=(2, 13, 12, channels)), jnp.float32)
        w = jnp.asarray(draws.normal(size=(size, size, channels // groups, features)), jnp.float32)
        pads = ((size // 2, size // 2), (0, size // 2))
        geometry = Geometry((stride, stride), pads, (dilation, dilation), groups)
        got = jax.jit(functools.partial(convolution, geometry=geometry))(x, w)
        np.testing.assert_allclose(got, by_xla(x, w, geometry), rtol=1e-4, atol=1e-4)
    _check_swapped_and_products(draws)


def _check_swapped_and_products(draws: np.random.Generator) -> None:
    x = jnp.asarray(draws.normal(size=(2, 6, 5, 4)), jnp.float32)
    w = jnp.asarray(draws.normal(size=(3, 3, 7, 4)), jnp.float32)
    plain = Geometry((1, 1), ((1, 1), (1, 1)))
    got = jax.jit(lambda x, w: convolution(x, w, plain._replace(swap_channels=True)))(x, w)
    expected = jax.jit(lambda x, w: convolution(x, jnp.swapaxes(w, 2, 3), plain))(x, w)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    for ta, tb in ((False, False), (True, False), (False, True)):
        a = jnp.asarray(draws.normal(size=(9, 40) if not ta else (40, 9)), jnp.float32)
        b = jnp.asarray(draws.normal(size=(40, 7) if not tb else (7, 40)), jnp.float32)
        product = functools.partial(matrix_product, transpose_a=ta, transpose_b=tb)
        expected = (a.T if ta else a) @ (b.T if tb else b)
        np.testing.assert_allclose(jax.jit(product)(a, b), expected, rtol=1e-4, atol=1e-4)


def convolution(images: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve on the CPU; neither differentiable nor, by itself, fit for other platforms.

    Args:
      images: (B, H, W, C) float32.
      kernel: (height, width, C / groups, features) float32; (height, width, features, C) if
        `swap_channels`.
      geometry: how the kernel goes over the images; its pads are at least 0, and its channels are
        swapped in one group alone.

    Returns:
      (B, H', W', features) float32.
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
    config = {
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
    shape = (images.shape[0], height, width, kernel.shape[outputs])
    return _custom_call("convolution", {"onednn_conv_config": config}, shape, images, kernel)


def matrix_product(
    a: jax.Array, b: jax.Array, *, transpose_a: bool = False, transpose_b: bool = False
) -> jax.Array:
    """Multiply two matrices on the CPU.

    Args:
      a: (M, K) float32, or (K, M) if `transpose_a`.
      b: (K, N) float32, or (N, K) if `transpose_b`.
      transpose_a: whether to transpose `a` first.
      transpose_b: whether to transpose `b` first.

    Returns:
      (M, N) float32.
    """
    config = {"onednn_matmul_config": {"transpose_a": transpose_a, "transpose_b": transpose_b}}
    shape = (a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1])
    return _custom_call("matmul", config, shape, a, b)


def _custom_call(
    name: str, config: dict[str, Any], shape: tuple[int, ...], *operands: jax.Array
) -> jax.Array:
    call = jax.ffi.ffi_call(
        f"{_CALL}{name}",
        jax.ShapeDtypeStruct(shape, jnp.float32),
        vmap_method="sequential",
        custom_call_api_version=2,
        legacy_backend_config=json.dumps(config),
    )
    return call(*operands)
