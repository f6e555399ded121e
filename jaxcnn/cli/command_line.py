"""What the programs here share: flags made from settings, and mistakes told in one line."""

import dataclasses
import io
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from jaxcnn.host.processes import end_processes, is_first, start_processes
from jaxcnn.host.start import prepare_process

_USAGE_STATUS = 2
_REUSE_MEMORY = flags.DEFINE_bool(
    "reuse_memory",
    True,
    "on Linux, keep the memory of a step for the next one instead of giving it back, which makes "
    "training on the CPU up to twice as fast; the process stays at the size of its peak.",
)
_COMPILATION_CACHE = flags.DEFINE_bool(
    "compilation_cache",
    True,
    "keep compiled programs in the user's cache folder, or in the one that the environment's "
    "JAX_COMPILATION_CACHE_DIR names, so that the next start need not compile them.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "host:port of process 0, where several processes train together and nothing in the environment "
    "says so; SLURM, Open MPI and TPU pods do.",
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "processes that train together.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "number of this process, from 0.")
_SHARED_FLAGS = (_REUSE_MEMORY, _COMPILATION_CACHE, _COORDINATOR, _NUM_PROCESSES, _PROCESS_ID)


def define_flags(settings: type, **choices: Sequence[str]) -> None:
    """Define a flag for each field of a settings dataclass; its help is the field's own.

    Args:
      settings: a dataclass whose fields carry metadata "help".
      **choices: names that a field may take, to be listed in its help.
    """
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        text = field.metadata["help"]
        if field.name in choices:
            text += f" Known: {', '.join(choices[field.name])}."
        flag_definer(hints[field.name])(field.name, field.default, text)
        # absl's --help lists a program's own flags; these were defined here on its behalf.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[field.name])


def flag_definer(hint: Any) -> Callable[..., Any]:
    """Choose the kind of flag for a setting by its type; several numbers are read from text.

    Example:
      >>> flag_definer(float | None).__name__, flag_definer(tuple[float, ...]).__name__
      ('DEFINE_float', 'DEFINE_string')
    """
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    kinds = typing.get_args(hint) if is_union else (hint,)
    if bool in kinds:
        return flags.DEFINE_bool
    if int in kinds:
        return flags.DEFINE_integer
    return flags.DEFINE_float if float in kinds else flags.DEFINE_string


def read_settings(settings: type, **parsers: Callable[[str], Any]) -> Any:
    """Make the settings from the flags that `define_flags` defined.

    Args:
      settings: the dataclass.
      **parsers: text to value, for fields that are neither text nor number.

    Returns:
      An instance of the dataclass.

    Raises:
      ValueError: if a parser refuses its flag's text.
    """
    values: dict[str, Any] = {
        f.name: flags.FLAGS[f.name].value for f in dataclasses.fields(settings)
    }
    for name, parse in parsers.items():
        text = values[name]
        if isinstance(text, str):
            values[name] = parse(text)
    return settings(**values)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers separated by commas; an empty text is none.

    Example:
      >>> whole_numbers("256,128"), whole_numbers("")
      ((256, 128), ())
    """
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            f"expected whole numbers separated by commas, e.g. 256,128; got {text!r}."
        ) from None


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers separated by commas.

    Example:
      >>> numbers("0.5, 0.25")
      (0.5, 0.25)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"expected numbers separated by commas, e.g. 0.5,0.4,0.3; got {text!r}."
        ) from None


def prepare() -> list[str]:
    """Prepare the process as the flags say; to be called before the first array.

    Returns:
      Lines to print about what was done; none where another process prints them.

    Raises:
      ValueError: if the flags about processes do not fit.
    """
    lines = prepare_process(
        reuse_memory=_REUSE_MEMORY.value, compilation_cache=_COMPILATION_CACHE.value
    )
    started = start_processes(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    return [*lines, *filter(None, [started])] if is_first() else []


def refuse(message: object) -> NoReturn:
    """End the program for a mistake that its user can mend: one line, status 2."""
    end_processes(f"error: {message}", _USAGE_STATUS)


def run(main: Callable[[list[str]], Any]) -> NoReturn:
    """Parse the flags and run `main` with what stands beside them.

    Args:
      main: takes the words of the command line that are no flags, the program's name first.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log file shows each line as it comes
    logging.set_verbosity(logging.ERROR)  # what a user should know is printed, not logged
    for flag in _SHARED_FLAGS:  # so that --help lists them
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[flag.name])
    app.run(main, flags_parser=_parse)


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        refuse(f"{error} (--help lists the flags)")
