"""Text of any script: what can be drawn, how wide it is, and how it is shortened to fit."""

import functools
import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg

from jaxcnn.plots.style import FONTS, INK, TEXT_PT, TITLE_PT


def _is_of_use(record: logging.LogRecord) -> bool:
    """Tell what Matplotlib says of fonts from that one has no bold: then it serves as it is."""
    return "Failed to find font weight" not in record.getMessage()


logging.getLogger(font_manager.__name__).addFilter(_is_of_use)


@functools.cache
def _families() -> tuple[str, ...]:
    """List the installed ones of FONTS; naming an absent font makes Matplotlib log a warning."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return tuple(name for name in FONTS if name in installed)


@functools.cache
def _has_glyph(character: str) -> bool:
    """Tell whether our fonts draw a character both regular and bold."""
    return all(
        any(
            font_manager.get_font(
                font_manager.findfont(font_manager.FontProperties(family=family, weight=weight))
            ).get_char_index(ord(character))
            for family in _families()
        )
        for weight in ("normal", "bold")
    )


def drawable(text: str) -> str:
    """Put a text on one line and leave out what no font can draw; "" if nothing visible is left."""
    kept = "".join(c for c in " ".join(str(text).split()) if _has_glyph(c)).strip()
    return kept if any(unicodedata.category(c)[0] in "LNPS" for c in kept) else ""


def drawable_names(names: Sequence[str], kind: str = "class") -> list[str]:
    """Make names drawable and still distinct, by number where need be."""
    visible = [drawable(name) for name in names]
    seen = Counter(visible)
    return [
        name if name and seen[name] == 1 else f"{name or kind} #{i}"
        for i, name in enumerate(visible)
    ]


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size_pt: float, weight: str = "normal") -> float:
    """Measure a line of text, in inches."""
    properties = font_manager.FontProperties(family=list(_families()), size=size_pt, weight=weight)
    return RendererAgg(1, 1, 72).get_text_width_height_descent(text, properties, False)[0] / 72


def fit_text(
    text: str,
    width: float,
    size_pt: float,
    *,
    weight: str = "normal",
    before: str = "",
    after: str = "",
    keep_end: bool = False,
) -> str:
    """Cut `text` with an ellipsis until `before + text + after` is at most `width` inches wide."""
    shortened = text
    most = int(width * 72 / size_pt / 0.2)  # no run of letters is narrower than a fifth of an em
    for length in range(min(len(text), most) - 1, -1, -1):
        if text_width(before + shortened + after, size_pt, weight) <= width:
            break
        cut = text[len(text) - length :].lstrip() if keep_end else text[:length].rstrip()
        shortened = "…" + cut if keep_end else cut + "…"
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in shortened):
        # Left-to-right marks keep what stands beside a right-to-left name in its place.
        shortened = f"\u200e{shortened}\u200e"
    return before + shortened + after


def wrap_text(text: str, width: float, size_pt: float, weight: str = "normal") -> list[str]:
    """Break a text into lines at most `width` inches wide."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size_pt, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, width, size_pt, weight=weight))
    return lines


def quoted(name: str) -> str:
    """Shorten a name for use within a title."""
    return fit_text(name, 3.6, TITLE_PT, weight="bold")


def font(size_pt: float = TEXT_PT, **changes: Any) -> dict[str, Any]:
    """Make text properties; never mathematics, for a class may be named "$"."""
    look = {"fontfamily": list(_families()), "fontsize": size_pt, "color": INK, "parse_math": False}
    return look | changes
