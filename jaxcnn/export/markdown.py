"""Markdown in which whatever a user named something stays text."""

import re
import unicodedata
from typing import Any

import jinja2
from markupsafe import Markup

from jaxcnn.host import text

# What begins HTML or an entity becomes one; marks of Markdown are escaped as it provides.
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
# An underscore between letters is none.
_MARKS = re.compile(r"([\\`*\[\]|~#$]|(?<![^\W_])_|_(?![^\W_]))")
# Readers of GitHub's dialect make links of these without any mark.
_LINKS = re.compile(r"(?i)(?<=\bhttp)(:)|(?<=\bhttps)(:)|(?<=\bftp)(:)|(?<=\bwww)(\.)|(@)")

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def escape_markdown(name: str) -> str:
    r"""Write text so that Markdown and the HTML inside it show it as it is, on one line.

    Args:
      name: anything. Control characters, and those that reverse the direction of text, become
        U+FFFD; line breaks become spaces.

    Returns:
      Markdown for the middle of a line, a cell of a table included.

    Example:
      >>> escape_markdown("<b>a|b</b> *x*")
      '&lt;b&gt;a\\|b&lt;/b&gt; \\*x\\*'
    """
    visible = "".join(map(_visible, re.sub(r"\s", " ", name)))
    marked = _MARKS.sub(r"\\\1", visible)
    plain = "".join(_HTML.get(character, character) for character in marked)
    return _LINKS.sub(lambda found: f"&#{ord(found.group())};", plain)


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTIONS
    return "\ufffd" if hidden else character


def render(name: str, **values: Any) -> str:
    """Fill in a template of Markdown; each value is escaped, which no template can forget.

    Args:
      name: of the template, in this folder.
      **values: by the names that the template uses.

    Returns:
      Markdown, ending with one line break.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxcnn.export", "."),
        autoescape=True,  # so that macros know what is escaped already
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    written = (text.interval, text.listed, text.percent, text.size)
    environment.filters |= {function.__name__: function for function in written}
    filled = environment.get_template(name).render(values)
    return re.sub(r"\n{3,}", "\n\n", filled).strip() + "\n"


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else Markup(escape_markdown(str(value)))
