"""Make the lessons one after the other, keep each, and put them together on one page."""

import base64
import binascii
import functools
import json
import time
from collections.abc import Callable, Collection, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.lessons.course import Course, digest
from experiments.lessons.lesson import Lesson, code_of
from jaxcnn.host.files import write_json
from jaxcnn.plots.themes import web_pair
from jaxcnn.runs.report import embed_picture
from jaxcnn.runs.report.page import render_page, write_page

Say = Callable[..., None]  # as `print`


def make_page(
    folder: Path,
    course: Course,
    lessons: Sequence[Lesson],
    *,
    only: Collection[str] = (),
    say: Say = print,
) -> Path:
    """Make what is not there yet, and write the page.

    Args:
      folder: where `index.html` goes; `kept/` beside it holds what need not be made again.
      course: the photos and sizes.
      lessons: in the order of the page.
      only: names of lessons to make, whether or not they are there; of the others those are shown
        that are there. Empty makes all that are not.
      say: called as `print` is, with a line for each lesson in two parts: its name, and when it
        is there, how long it took.

    Returns:
      The path of the page.
    """
    parts: dict[str, dict[str, Any]] = {}
    for number, lesson in enumerate(lessons, start=1):
        part = None if lesson.name in only else _read_part(course, lesson)
        if part is None and only and lesson.name not in only:
            continue
        say(f"[{number:>2}/{len(lessons)}] {lesson.name:<12} {lesson.title}", end=": ", flush=True)
        started = time.perf_counter()
        parts[lesson.name] = part or _make_part(course, lesson)
        say("made before" if part else f"{time.perf_counter() - started:.1f} s")
    missing = len(lessons) - len(parts)
    if missing:
        say(f"{missing} of {len(lessons)} figures are not there yet; without --only they are made.")
    shown = [lesson for lesson in lessons if lesson.name in parts]
    return write_page(folder / "index.html", _render(course, shown, parts))


def _render(course: Course, lessons: Sequence[Lesson], parts: dict[str, dict[str, Any]]) -> str:
    sections = [(f"lesson-{lesson.name}", lesson.title) for lesson in lessons]
    return render_page(
        "lessons.html.jinja",
        package="experiments.lessons",
        title="How a convolutional network sees",
        subtitle=(
            f"{len(lessons)} figure{'s' if len(lessons) > 1 else ''} on filters, layers and "
            "learning. Each was made by the lines of code beneath it, with jaxcnn, when this page "
            "was written."
        ),
        sections=sections,
        lessons=[
            parts[lesson.name]
            | {"title": lesson.title, "anchor": anchor, "picture": _picture(part)}
            for lesson, (anchor, _) in zip(lessons, sections, strict=True)
            for part in [parts[lesson.name]]
        ],
        photos=course.description,
        seed=course.seed,
        version=metadata.version("jaxcnn"),
    )


def _picture(part: dict[str, Any]) -> Any:
    light, dark = (base64.b64decode(part[theme]) for theme in ("light", "dark"))
    return embed_picture(light, alt=part["alt"], dark=dark)


def _make_part(course: Course, lesson: Lesson) -> dict[str, Any]:
    shown = lesson.teach(course)
    light, dark = web_pair(shown.figure)
    part = {
        "about": _about(course, lesson),
        "text": shown.text,
        "alt": shown.alt,
        "numbers": dict(shown.numbers),
        "code": code_of(*shown.code),
        "light": base64.b64encode(light).decode(),
        "dark": base64.b64encode(dark).decode(),
    }
    write_json(_part_path(course, lesson), part)
    return part


def _read_part(course: Course, lesson: Lesson) -> dict[str, Any] | None:
    try:
        part: dict[str, Any] = json.loads(_part_path(course, lesson).read_text(encoding="utf-8"))
        base64.b64decode(part["light"] + part["dark"])
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        return None
    return part if part.get("about") == _about(course, lesson) else None


def _part_path(course: Course, lesson: Lesson) -> Path:
    return course.folder / f"{lesson.name}.json"


def _about(course: Course, lesson: Lesson) -> str:
    """Tell by a text what a part was made from: the photos, the sizes, and the lessons' code."""
    about = (course.about, repr(course.sizes), str(course.weights), lesson.name)
    return digest(*about, _lessons_code(), metadata.version("jaxcnn"))


@functools.cache
def _lessons_code() -> str:
    folder = Path(__file__).parent
    files = (*folder.glob("*.py"), *folder.glob("templates/words/*.jinja"))
    return digest(*(path.read_text(encoding="utf-8") for path in sorted(files)))
