"""What a lesson is, and the page of them: each is made in turn, cached, and shown with its code."""

import ast
import dataclasses
import functools
import html
import inspect
import json
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

import jaxcnn
from experiments.lessons.course import Course
from jaxcnn.data.source import digest_of
from jaxcnn.host.files import write_json
from jaxcnn.plots.themes import web_pair
from jaxcnn.runs.report.page import embed_picture, render_page, write_page


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
    lines = source.splitlines()
    if isinstance(function, ast.ClassDef):
        return _class_without_docstrings(function, lines)
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    body = lines[function.body[0].end_lineno :]
    return "\n".join([f"def {function.name}({ast.unparse(arguments)}):", *body])


def _class_without_docstrings(shown: ast.ClassDef, lines: list[str]) -> str:
    """Leave out the lines of a class's docstring, and of its methods'."""
    documented = [node for node in (shown, *shown.body) if _has_docstring(node)]
    docstrings = [node.body[0] for node in documented]  # type: ignore[attr-defined]
    gone = {i for each in docstrings for i in range(each.lineno - 1, each.end_lineno)}
    return "\n".join(line for i, line in enumerate(lines) if i not in gone)


def _has_docstring(node: ast.AST) -> bool:
    return isinstance(node, (ast.ClassDef, ast.FunctionDef)) and bool(ast.get_docstring(node))


def _imports(module: Any, names: set[str]) -> list[str]:
    """List the import statements of a module that bring some of the names."""
    found = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [n for n in node.names if (n.asname or n.name.split(".")[0]) in names]
            if node.names:
                found.append(ast.unparse(node))
    return found


def make_page(
    folder: Path, course: Course, lessons: Sequence[Lesson], *, only: Collection[str] = ()
) -> Path:
    """Make what is not there yet, and write the page.

    Prints a line for each lesson in two parts: its name, and when it is there, how long it took.

    Args:
      folder: where `index.html` goes; `cached/` beside it holds what need not be made again.
      course: the photos and sizes.
      lessons: in the order of the page.
      only: names of lessons to make, whether or not they are there; of the others those are shown
        that are there. Empty makes all that are not.

    Returns:
      The path of the page.
    """
    parts = []
    for number, lesson in enumerate(lessons, start=1):
        part = None if lesson.name in only else _read_part(course, lesson)
        if part is None and only and lesson.name not in only:
            continue
        head = f"[{number:>2}/{len(lessons)}] {lesson.name:<12} {lesson.title}"
        print(head, end=": ", flush=True)
        started = time.perf_counter()
        parts.append(part or _make_part(course, lesson))
        print("made before" if part else f"{time.perf_counter() - started:.1f} s")
    missing = len(lessons) - len(parts)
    if missing:
        print(
            f"{missing} of {len(lessons)} figures are not there yet; without --only they are made."
        )
    page = render_page(
        "lessons.html.jinja",
        package="experiments.lessons",
        lessons=parts,
        photo_folder=course.data_dir and Path(course.data_dir).name,
        seed=course.seed,
        version=jaxcnn.__version__,
    )
    return write_page(folder / "index.html", page)


def _make_part(course: Course, lesson: Lesson) -> dict[str, Any]:
    """Run a lesson's code, and write down what the page shows of it."""
    shown = lesson.teach(course)
    light, dark = web_pair(shown.figure)
    part = {
        "about": _about(course, lesson),
        "anchor": f"lesson-{lesson.name}",
        "title": lesson.title,
        "text": shown.text,
        "numbers": dict(shown.numbers),
        "code": code_of(*shown.code),
        "picture": dataclasses.asdict(embed_picture(light, alt=shown.alt, dark=dark)),
    }
    write_json(_part_path(course, lesson), part)
    return part


def _read_part(course: Course, lesson: Lesson) -> dict[str, Any] | None:
    try:
        part = json.loads(_part_path(course, lesson).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return part if part["about"] == _about(course, lesson) else None


def _part_path(course: Course, lesson: Lesson) -> Path:
    return course.folder / f"{lesson.name}.json"


def _about(course: Course, lesson: Lesson) -> str:
    """Tell by a text what a part was made from: the photos, the sizes, and the lessons' code."""
    about = (course.about, repr(course.sizes), str(course.weights), lesson.name)
    return digest_of(*about, _lessons_code(), jaxcnn.__version__)


@functools.cache
def _lessons_code() -> str:
    folder = Path(__file__).parent
    files = (*folder.glob("*.py"), *folder.glob("templates/words/*.jinja"))
    return digest_of(*(path.read_text(encoding="utf-8") for path in sorted(files)))
