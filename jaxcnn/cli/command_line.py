"""What the commands share: flags made from settings, help in groups, mistakes in one line."""

import contextlib
import dataclasses
import faulthandler
import io
import logging
import os
import sys
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from absl import flags, logging as absl_logging

from jaxcnn.cli import help_formatter
from jaxcnn.cli.mistakes import in_flags, parse_flags, told_plainly
from jaxcnn.data.image_size import as_size
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.host.processes import is_first, start_processes
from jaxcnn.host.signals import end_at_second_signal
from jaxcnn.host.start import prepare_process
from jaxcnn.host.text import printable
from jaxcnn.runs.config.settings import SIZE_SETTINGS
from jaxcnn.runs.config.train_config import GROUPS, TrainConfig, make_config, setting_fields

logger = logging.getLogger(__name__)

_REUSE_MEMORY = flags.DEFINE_bool(
    "reuse_memory",
    True,
    "on Linux, keep the memory of a step for the next one instead of giving it back, which makes "
    "training on the CPU up to twice as fast; the process stays at the size of its peak.",
)
_COMPILATION_CACHE = flags.DEFINE_bool(
    "compilation_cache",
    True,
    "cache compiled programs in the user's cache folder, or in the one that the environment's "
    "JAX_COMPILATION_CACHE_DIR names, so that the next start need not compile them.",
)
help_formatter.group("machine", "reuse_memory", "compilation_cache")


def define_max_pixels() -> flags.FlagHolder[int | None]:
    """Define the flag that limits the size of the photos that a program reads."""
    return flags.DEFINE_integer(
        "max_pixels",
        None,
        "photos of more pixels are left out as unreadable; most JPEGs are decoded at a reduced "
        f"size, which then counts. Default {Decoding(1).max_pixels:,}, or that of the run.",
        lower_bound=1,
    )


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
            f"expected whole numbers separated by commas, e.g. 256,128, got {text!r}."
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
            f"expected numbers separated by commas, e.g. 0.5,0.4,0.3, got {text!r}."
        ) from None


# Settings that are neither text nor one number.
_PARSERS: dict[str, Callable[[str], Any]] = {
    **{"dense_widths": whole_numbers, "pixel_mean": numbers, "pixel_std": numbers},
    **dict.fromkeys(SIZE_SETTINGS, as_size),
}


def define_process_flags() -> None:
    """Define the flags of programs whose processes train together."""
    flags.DEFINE_string(
        "coordinator_address",
        None,
        "host:port of process 0, where several processes train together and nothing in the "
        "environment says so; SLURM, Open MPI and TPU pods do.",
    )
    flags.DEFINE_integer("num_processes", None, "processes that train together.")
    flags.DEFINE_integer("process_id", None, "number of this process, from 0.")
    help_formatter.group("machine", "coordinator_address", "num_processes", "process_id")


def define_setting_flags(**choices: Sequence[str]) -> None:
    """Define a flag for each setting of a run; its help is the setting's own.

    Args:
      **choices: names that a setting may take, to be listed in its help.
    """
    hints = setting_types()
    for name, field in setting_fields().items():
        text = field.metadata["help"]
        if name in choices:
            text += f" Known: {', '.join(choices[name])}."
        flag_definer(hints[name])(name, field.default, text)
    for group, settings in GROUPS.items():
        help_formatter.group(group, *(field.name for field in dataclasses.fields(settings)))


def setting_types() -> dict[str, Any]:
    """Give the type of each setting, by name."""
    return {n: t for group in GROUPS.values() for n, t in typing.get_type_hints(group).items()}


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
    if int in kinds and not any(typing.get_origin(kind) is tuple for kind in kinds):
        return flags.DEFINE_integer
    return flags.DEFINE_float if float in kinds else flags.DEFINE_string


def read_settings() -> TrainConfig:
    """Make the settings from the flags that `define_setting_flags` defined.

    Returns:
      Settings, some of them None.

    Raises:
      ValueError: if a flag's text cannot be read.
    """
    values: dict[str, Any] = {name: flags.FLAGS[name].value for name in setting_fields()}
    for name, parse in _PARSERS.items():
        if isinstance(values[name], str):
            try:
                values[name] = parse(values[name])
            except ValueError as error:
                raise ValueError(f"--{name}: {error}") from None
    return make_config(**values)


def prepare(*heading: str, say: Callable[[str], object] = logger.info) -> None:
    """Prepare the process as the flags say, before the first array.

    Args:
      *heading: lines to say first; only now is it known which of several processes speaks.
      say: called with each line, and then with those about what was done.

    Raises:
      ValueError: if the flags about processes do not fit.
    """
    lines = [*heading]
    lines += prepare_process(
        reuse_memory=_REUSE_MEMORY.value, compilation_cache=_COMPILATION_CACHE.value
    )
    names = ("coordinator_address", "num_processes", "process_id")
    if names[0] in flags.FLAGS:
        started = start_processes(*(flags.FLAGS[name].value for name in names))
        lines += filter(None, [started])
    for line in lines:
        say(line)


class _Lines(logging.Handler):
    """Prints each message as a line, above a bar that moves."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        if is_first():  # of several processes one speaks
            lines = in_flags(record.getMessage()).split("\n")
            bars = sys.modules.get("tqdm")  # where it was never imported, no bar stands there
            write = bars.tqdm.write if bars else print
            write("\n".join(map(printable, lines)), file=self._stream)
            self._stream.flush()


def _show_log(stream: TextIO) -> None:
    """Print what the library, its commands and the studies log for their user, once."""
    for name in ("jaxcnn", "experiments"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # absl's handler would write it to standard error as well
        logger.handlers = [_Lines(stream)]


def define_overwrite() -> "flags.FlagHolder[bool]":
    """Define the flag that lets results replace the files of other programs."""
    text = "replace files that another program wrote; those of jaxcnn are replaced without it."
    return flags.DEFINE_bool("overwrite", False, text)


def _complete_texts() -> None:
    """Replace a ~ at the start of a flag's text by the user's home, and refuse empty texts."""
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if not flag.present or not isinstance(flag.value, str):
            continue
        if not flag.value and name not in _PARSERS:  # such as "$FOLDER" where that is not set
            raise ValueError(f"--{name} is empty; give a value, or leave it out.")
        if flag.value.startswith("~"):  # shells leave it there
            flag.value = os.path.expanduser(flag.value)


@contextlib.contextmanager
def running(
    doc: str | None,
    *,
    common: Sequence[str] = (),
    takes_words: bool = False,
    answers: bool = False,
    defaults: Callable[[], Mapping[str, Any]] = dict,
) -> Iterator[list[str]]:
    """Parse the flags, and end the program as its user expects whatever happens in the block.

    Errors end it as `mistakes.told_plainly` says.

    Args:
      doc: what the program does, with examples: the head of its help.
      common: names of the flags that --help shows.
      takes_words: whether words may stand beside the flags.
      answers: whether standard output is for answers alone; what the library logs then goes to
        standard error.
      defaults: gives values that the help shows in place of the flags' own defaults, by name.

    Yields:
      The words of the command line that are no flags.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log file shows each line at once; characters that a screen lacks are escaped.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    end_at_second_signal()
    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.ERROR)  # other libraries' talk
    # Pillow warns of oddities in photos that it reads well enough.
    warnings.filterwarnings("ignore", module="PIL")
    with contextlib.suppress(RuntimeError):  # where standard error is closed
        faulthandler.enable()
    _show_log(sys.stderr if answers else sys.stdout)
    own = [flag.name for flag in flags.FLAGS.get_flags_for_module(sys.argv[0])]
    listed = help_formatter.listed_flags()
    help_formatter.group("flags", *(name for name in own if name not in listed))
    with told_plainly():
        if asked := help_formatter.asked_for(sys.argv[1:]):
            help_formatter.show(doc or "", () if asked == "--helpfull" else common, defaults())
            sys.exit(0)
        words = parse_flags(sys.argv)
        _complete_texts()
        if words and not takes_words:
            raise ValueError(f"unexpected words {' '.join(words)!r}; every option is a --flag.")
        yield words
