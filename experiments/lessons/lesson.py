"""What a lesson is, and the lines of code that are shown because they are the ones that ran."""

import ast
import html
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from experiments.lessons.course import Course
from jaxcnn.runs.report.page import render_page


class Shown(NamedTuple):
    """What a lesson has to show once its code has run.

    Attributes:
      text: two sentences.
      alt: what the figure shows, in words.
      numbers: what the code gave, each with its name.
      figure: in the colours of `plots.style`.
      code: the functions whose lines made it.
    """

    text: str
    alt: str
    numbers: Mapping[str, str]
    figure: Figure
    code: tuple[Callable[..., Any], ...]


class Lesson(NamedTuple):
    """A figure of the article: its name on the command line, its title, and what makes it."""

    name: str
    title: str
    teach: Callable[[Course], Shown]


def words(lesson: str, /, **facts: Any) -> tuple[str, str, dict[str, str]]:
    """Fill the facts into a lesson's words, which stand in the folder `templates/words`.

    Args:
      lesson: its name.
      **facts: what its words name. One that is missing is an error, never an empty place.

    Returns:
      The text, what the figure shows, and the numbers; plain text, which the page escapes.
    """
    filled = render_page(f"words/{lesson}.jinja", package="experiments.lessons", **facts)
    text, alt, numbers = html.unescape(filled).strip().split("\n\n")
    rows = (line.partition(": ") for line in numbers.splitlines())
    return " ".join(text.split()), " ".join(alt.split()), {name: value for name, _, value in rows}


def code_of(*functions: Callable[..., Any]) -> str:
    """Give the source of functions as it stands in their file, and the imports that it needs.

    Args:
      *functions: docstrings, and annotations in signatures, are left out, for the text beside the
        code says what it does.

    Returns:
      Lines of Python.

    Example:
      >>> print(code_of(code_of).splitlines()[0])
      import ast
    """
    bodies = [_without_docstring(inspect.getsource(function)) for function in functions]
    imports: dict[str, None] = {}  # in order, each once
    for function, body in zip(functions, bodies, strict=True):
        names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
        imports |= dict.fromkeys(_imports(sys.modules[function.__module__], names))
    return "\n\n".join(["\n".join(imports), *bodies] if imports else bodies)


def _without_docstring(source: str) -> str:
    """Cut a function's docstring out, and put its signature on one line without annotations."""
    source = textwrap.dedent(source)
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = source.splitlines()
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    body = lines[function.body[0].end_lineno :]
    return "\n".join([f"def {function.name}({ast.unparse(arguments)}):", *body])


def _imports(module: Any, names: set[str]) -> list[str]:
    """List the import statements of a module that bring some of the names."""
    found = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [n for n in node.names if (n.asname or n.name.split(".")[0]) in names]
            if node.names:
                found.append(ast.unparse(node))
    return found
