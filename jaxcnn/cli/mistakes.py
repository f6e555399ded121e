"""How a command ends: mistakes in one line, named as flags, and with the right status."""

import contextlib
import errno
import itertools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from absl import flags

from jaxcnn.cli import help_formatter
from jaxcnn.host.files import FULL_DISK
from jaxcnn.host.names import unknown_name
from jaxcnn.host.processes import end_processes
from jaxcnn.host.signals import end_interrupted
from jaxcnn.host.text import printable

_USAGE_STATUS = 2
_LONGEST_FLAG = 200  # letters
_BROKEN_PIPE_STATUS = 128 + 13  # as SIGPIPE ends other programs; Windows has no such name
_FULL_OF_SQLITE = ("SQLITE_FULL", "SQLITE_IOERR")
# The commands that print the lists of the library's functions.
_LISTED_BY = {
    "list_weights()": "`jaxcnn predict --list_weights`",
    "list_models()": "`jaxcnn train --helpfull`",
    "list_optimizers()": "`jaxcnn train --helpfull`",
}


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """End the program as its user expects whatever happens in the block.

    A ValueError or an OSError is a mistake that the user can mend, see `refuse`.
    """
    try:
        yield
    except flags.IllegalFlagValueError as error:
        refuse(_illegal_value(str(error)))
    except flags.UnrecognizedFlagError as error:
        known = [f"--{name}" for name in help_formatter.listed_flags()]
        refuse(unknown_name("flag", f"--{error.flagname}", known, all_by="--helpfull"))
    except flags.Error as error:
        refuse(f"{error} (--help lists the flags)")
    except BrokenPipeError:  # the reader of the output has what it wanted
        _end_output()
        sys.exit(_BROKEN_PIPE_STATUS)
    except OSError as mistake:
        _end_output()
        refuse(_in_words(mistake), _status(mistake))
    except ValueError as mistake:
        refuse(mistake, _status(mistake))
    except KeyboardInterrupt:
        end_interrupted()


def parse_flags(words: Sequence[str]) -> list[str]:
    """Read flags; give the words that are none.

    Raises:
      ValueError: if a flag's name is too long for absl, which compares names by recursion.
      flags.Error: for another mistake.
    """
    for word in itertools.takewhile(lambda word: word != "--", words[1:]):
        name = word.partition("=")[0]
        if name.startswith("-") and len(name) > _LONGEST_FLAG:
            raise ValueError(f"unknown flag '{name[:20]}...'; --helpfull lists all flags.")
    return list(flags.FLAGS(words)[1:])


def refuse(message: object, status: int = _USAGE_STATUS) -> NoReturn:
    """End the program for a mistake that its user can mend: one line, status 2."""
    end_processes(f"error: {printable(in_flags(str(message)))}", status)


def _status(error: Exception) -> int:
    """Tell a mistake from a full or failing disk, also in what an error was raised from."""
    for each in (error, error.__cause__):
        of_sqlite = str(getattr(each, "sqlite_errorname", ""))
        if getattr(each, "errno", None) in FULL_DISK or of_sqlite.startswith(_FULL_OF_SQLITE):
            return 1
    return _USAGE_STATUS


def _in_words(error: OSError) -> str:
    """Write the file of a system's error and what is wrong, without the error's number."""
    if not error.strerror:
        return str(error)
    if error.errno == errno.ENOENT and error.filename is None:  # a relative path has no start
        return "the current folder does not exist any more; change to another."
    named = "" if error.filename is None else f"{printable(os.fspath(error.filename))}: "
    return f"{named}{error.strerror.lower()}."


def _end_output() -> None:
    """Stop writing to standard output if that fails, as on a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_flags(message: str, known: Sequence[str] | None = None) -> str:
    """Write the settings that a message of the library names as the flags that set them.

    A name of several words is one wherever it stands; one that is also an ordinary word, as in
    "model", is one where a value or a rule follows it.

    Args:
      message: of an error.
      known: names of flags; None for those of the program.

    Returns:
      The message.

    Example:
      >>> in_flags("batch_size must be a number above 0, got 0.", ["batch_size"])
      '--batch_size must be a number above 0, got 0.'
      >>> in_flags("the model has another head; give model=resnet18.", ["model", "head"])
      'the model has another head; give --model=resnet18.'
      >>> in_flags("give resume=True, or cache_features=False.", ["resume", "cache_features"])
      'give --resume, or --nocache_features.'
      >>> in_flags("unknown view 'head=1,model=2'.", ["model", "head"])
      "unknown view 'head=1,model=2'."
    """
    names = list(flags.FLAGS) if known is None else known
    message, listed, choices = message.partition("nearest first:")  # names of options, no settings
    for name in sorted(names, key=len, reverse=True):
        before = rf"(?<![-\w./=,']){re.escape(name)}"  # what a user typed is quoted
        message = re.sub(rf"{before}=True\b", f"--{name}", message)
        message = re.sub(rf"{before}=False\b", f"--no{name}", message)
        rule = r"\b(?!=|\.\w)" if "_" in name else r"(?= \(=| must be| is empty)"
        message = re.sub(rf"{before}(?:(?==[^=\s])|{rule})", f"--{name}", message)
    for function, command in _LISTED_BY.items():
        choices = choices.replace(function, command)
    return message + listed + choices


def _illegal_value(message: str) -> str:
    """Say what a flag takes; absl's own message has Python's words."""
    found = re.fullmatch(r"flag --(\w+)=(.*?): (.*)", message, re.DOTALL)
    if not found or found[1] not in flags.FLAGS:
        return message
    name, value, reason = found.groups()
    parser = flags.FLAGS[name].parser
    expected = parser.syntactic_help.replace("an integer", "a whole number").replace(
        "integer", "whole number"
    )
    if isinstance(parser, flags.EnumParser):
        expected = f"one of {', '.join(parser.enum_values)}"
    elif isinstance(parser, flags.BooleanParser):
        expected = "true or false"
    return f"--{name} must be {expected or reason}, got {value!r}."
