"""Render pages from templates: one file each, no network, every value escaped."""

import functools
from pathlib import Path
from typing import Any

import jinja2

from jaxcnn.host import text
from jaxcnn.host.files import write_text

_BASE = "jaxcnn.runs.report"


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
    """Write a page, all at once.

    Args:
      path: where it goes; the folder exists.
      page: HTML. What UTF-8 cannot write, as names of files may hold, is replaced.

    Returns:
      `path`.
    """
    path = Path(path)
    write_text(path, page.encode("utf-8", "replace").decode())
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
    written = (text.counted, text.duration, text.interval, text.listed, text.number, text.percent)
    environment.filters |= {function.__name__: function for function in written}
    return environment
