"""Render pages from templates: one file each, no network, every value escaped."""

import functools
import math
import os
from pathlib import Path
from typing import Any

import jinja2

_BASE = "jaxcnn.runs.report"
_NONE = "\N{EN DASH}"


def render_page(template_name: str, *, package: str | None = None, **facts: Any) -> str:
    """Fill in a template; whatever a fact says is text on the page, never markup.

    Templates of other packages begin with `{% extends "base.html.jinja" %}` and may import the
    macros of "parts.html.jinja".

    Args:
      template_name: name of the template, such as "report.html.jinja".
      package: importable package whose folder `templates` is looked into first; None for the
        templates of this one alone.
      **facts: what the template names. A name that is missing is an error, never an empty place.

    Returns:
      The page as HTML.

    Raises:
      jinja2.TemplateNotFound: if no package has the template.
      jinja2.UndefinedError: if the template names a fact that is not given.

    Example:
      >>> page = render_page("base.html.jinja", title="<script>alert(1)</script>")
      >>> "<script>" in page, "&lt;script&gt;" in page
      (False, True)
    """
    return _environment(package).get_template(template_name).render(**facts)


def write_page(path: Path | str, page: str) -> Path:
    """Write a page so that the file is either the old one or the new one, never half of one.

    Args:
      path: where it goes; the folder exists.
      page: HTML. What UTF-8 cannot write, as names of files may hold, is replaced.

    Returns:
      `path`.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    part.write_text(page, encoding="utf-8", errors="replace")
    os.replace(part, path)
    return path


@functools.cache
def _environment(package: str | None) -> jinja2.Environment:
    packages = [name for name in (package, _BASE) if name is not None]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,  # always: the names of our templates say nothing that could decide it
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "counted": counted}
    return environment


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share as a percentage; a dash where there is none.

    Example:
      >>> percent(0.9345), percent(1.0), percent(0.9999)
      ('93.5%', '100%', '> 99.9%')
    """
    if share is None or not math.isfinite(share):
        return _NONE
    rounded = f"{100 * share:.{digits}f}"
    if share not in (0, 1) and float(rounded) in (0, 100):  # nearly all is not all
        least = 10.0**-digits
        return f"< {least:g}%" if share < 0.5 else f"> {100 - least:g}%"
    return "100%" if share == 1 else f"{rounded}%"


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with groups of thousands, or a fraction with some digits; a dash for None.

    Example:
      >>> number(12345), number(0.12345)
      ('12,345', '0.123')
    """
    if value is None or not math.isfinite(value):
        return _NONE
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def counted(count: int, one: str, many: str = "") -> str:
    """Write a number of things, in the singular where there is one.

    Example:
      >>> counted(1, "photo"), counted(1200, "photo"), counted(2, "class", "classes")
      ('1 photo', '1,200 photos', '2 classes')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
