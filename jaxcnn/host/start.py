"""What a program does once, before its first array: reuse memory, cache compiled programs."""

from pathlib import Path

import jax

from jaxcnn.host.compilation_cache import cache_compiled_programs
from jaxcnn.host.memory import reuse_memory as keep_memory


def prepare_process(
    *, reuse_memory: bool = True, compilation_cache: bool | Path | str = True
) -> list[str]:
    """Prepare this process for fast training; neither part changes a result.

    Args:
      reuse_memory: keep the memory of a step for the next one, see `memory.reuse_memory`.
      compilation_cache: keep compiled programs for the next start, see `compilation_cache`: in the
        user's cache folder, or in this one.

    Returns:
      A line for the user about each thing that was done or could not be.

    Example:
      for line in prepare_process():
          print(line)
    """
    lines = []
    if reuse_memory and keep_memory():
        lines.append("memory is kept between steps (reuse_memory=False turns this off)")
    if not compilation_cache:
        # Even one that `JAX_COMPILATION_CACHE_DIR` asks for.
        jax.config.update("jax_enable_compilation_cache", False)
        return lines
    try:
        folder = cache_compiled_programs(
            None if isinstance(compilation_cache, bool) else compilation_cache
        )
    except OSError as error:
        return [*lines, f"compiled programs cannot be cached ({error}); each start compiles again"]
    lines.append(
        f"compiled programs are cached in {folder} (compilation_cache=False turns this off)"
    )
    return lines
