"""Compile a step ahead of its first use: once, timed, for one shape of batch."""

import contextlib
import functools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax

from jaxcnn.host.start import SteadyBlock
from jaxcnn.ops.cpu.onednn import has_calls, not_serialized


class CompiledStep:
    """A compiled pure function that takes arguments of one shape only.

    A thread compiles it, so that the next step can be traced meanwhile; the first use waits.

    Args:
      compiling: gives the program.
      seconds: how long tracing took.
    """

    def __init__(self, compiling: Future[jax.stages.Compiled], seconds: float) -> None:
        self._compiling, self._seconds = compiling, seconds

    @functools.cached_property
    def program(self) -> jax.stages.Compiled:
        """The program as JAX gives it."""
        started = time.perf_counter()
        program = self._compiling.result()
        self._seconds += time.perf_counter() - started
        return program

    @property
    def seconds(self) -> float:
        """How long tracing took, and waiting for the compiler, which is done now."""
        _ = self.program
        return self._seconds

    def __call__(self, *args: Any) -> Any:
        """Run the step; arguments of another shape raise instead of compiling again."""
        self._temporaries.settle()
        return self.program(*args)

    @functools.cached_property
    def _temporaries(self) -> SteadyBlock:
        """The block that XLA allocates at each call on a single CPU; elsewhere of no size."""
        on_one_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1
        analysis = self.program.memory_analysis() if on_one_cpu else None
        return SteadyBlock(analysis.temp_size_in_bytes if analysis else 0)


def compile_step(
    step: Callable[..., Any],
    *args: Any,
    donate_argnums: int | tuple[int, ...] = (),
    out_shardings: Any = None,
) -> CompiledStep:
    """Compile a pure function for the shapes of its arguments, in a thread.

    Args:
      step: a pure function of trees of arrays.
      *args: arguments, or `jax.ShapeDtypeStruct` instead.
      donate_argnums: positions of arguments whose memory the result may take over.
      out_shardings: how the results lie on the devices, as for `jax.jit`; None lets the compiler
        choose.

    Returns:
      The compiled function.

    Example:
      >>> shape = jax.ShapeDtypeStruct((), "int32")
      >>> compile_step(lambda x: x + 1, shape)(jax.numpy.int32(1)).item()
      2
    """
    started = time.perf_counter()
    # Traced in this thread, whose settings of JAX hold; oneDNN's calls may be made.
    with not_serialized():
        jitted = jax.jit(step, donate_argnums=donate_argnums, out_shardings=out_shardings)
        lowered = jitted.lower(*args)

    def compiled() -> jax.stages.Compiled:
        # A program without them is kept for the next start, see `compilation_cache`.
        with not_serialized() if has_calls(lowered) else contextlib.nullcontext():
            return lowered.compile()

    pool = ThreadPoolExecutor(1)
    compiling = pool.submit(compiled)
    pool.shutdown(wait=False)  # the thread ends with the compilation
    return CompiledStep(compiling, time.perf_counter() - started)
