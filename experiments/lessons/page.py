"""Make the lessons one after the other, keep each, and put them together on one page."""

import dataclasses
import functools
import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jaxcnn
from experiments.lessons.course import Course
from experiments.lessons.lesson import Lesson, code_of
from jaxcnn.data.source import digest_of
from jaxcnn.host.files import write_json
from jaxcnn.plots.themes import web_pair
from jaxcnn.runs.report.page import embed_picture, render_page, write_page


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
