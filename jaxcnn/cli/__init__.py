"""The command `jaxcnn`: absl flags in, library calls, and what a user wants to see.

- `commands/`: one module per command, imported only when it is called, so that it shows no flags
  but its own.
- `command_line`: flags made from settings, the log on the screen; `mistakes`: how a command ends.
- `help_formatter`: the output of --help; `network_flags`: the flags that name a trained network.
- `photo_listing`, `photo_page`: what `jaxcnn photos` prints, and its local page; `local_page`
  serves this one and that of `jaxcnn clean`.

Imports everything below; nothing imports this package but `experiments`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import jaxcnn
from jaxcnn.host.signals import end_at_second_signal, end_interrupted

# One line per command, in the order in which a user meets them.
COMMANDS = {
    "train": "train a classifier on a data set or on your photos, and test it",
    "predict": "label photos with a trained network",
    "photos": "label your own photos, and search them",
    "report": "write the report of a run again",
    "look-inside": "show what a network sees in photos and what it learned of its data",
    "clean": "find wrong labels and odd photos, and decide about each in a browser",
    "hard-examples": "rank photos by how likely their label is wrong",
    "plan": "show what training would cost, on rented machines",
    "export": "write a network as a program that needs nothing of jaxcnn",
    "about": "show versions, processor and devices, for a bug report",
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the first word names.

    Args:
      arguments: words of the command line after the program's name; None for the process's own.
    """
    _open_closed_streams()
    end_at_second_signal()
    try:
        _run(arguments)
    except KeyboardInterrupt:  # while a command is imported; once it runs, it handles its own
        end_interrupted()


def _open_closed_streams() -> None:
    """Open the null device where a standard stream is closed, as some starters of services do.

    The next file to be opened, such as an index, would get its number and all that is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  as long as we run


def _run(arguments: Sequence[str] | None) -> NoReturn:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[0:1] == ["help"]:
        words = [*words[1:2], "--help"]
    name = words[0].replace("_", "-") if words else "--help"
    if name in ("-h", "--help", "--helpfull"):
        print(_usage())
        sys.exit(0)
    if name == "--version":
        print(f"jaxcnn {jaxcnn.__version__}")
        sys.exit(0)
    if name not in COMMANDS:
        from jaxcnn.host.names import unknown_name

        print(f"error: {unknown_name('command', name, COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"jaxcnn {name}", *words[1:]]
    importlib.import_module(f"jaxcnn.cli.commands.{name.replace('-', '_')}").run()
    sys.exit(0)


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = "".join(f"  {name:<{width}}  {text}\n" for name, text in COMMANDS.items())
    return (
        "Train, test and use image classifiers.\n\n"
        f"usage: jaxcnn COMMAND [--flag=value ...]\n\n{lines}\n"
        "jaxcnn COMMAND --help shows a command's flags."
    )
