import logging

import pytest
from matplotlib import font_manager

from jaxcnn.plots import text
from jaxcnn.plots.text import drawable, drawable_names, fit_text, text_width, wrap_text


def test_drawable_names_are_distinct_and_visible(weird_names):
    names = drawable_names(weird_names)
    assert len(set(names)) == len(names)
    assert all(drawable(name) == name for name in names)
    assert names[2:5] == ["קטן כלב", "قطة صغيرة", "$\\bad{$"]
    assert names[6:8] == ["a b", "z"]


def test_undrawable_names_get_their_number(monkeypatch):
    monkeypatch.setattr(text, "_has_glyph", str.isascii)
    assert drawable_names(["猫", "犬 dog", "dog"]) == ["class #0", "dog #1", "dog #2"]


def test_families_are_installed():
    installed = {font.name for font in font_manager.fontManager.ttflist}
    assert text._families()[0] == "DejaVu Sans"
    assert set(text._families()) <= installed


def test_a_font_without_bold_is_no_trouble(caplog):
    log = logging.getLogger("matplotlib.font_manager")
    log.warning("findfont: Failed to find font weight %s for %s, now using %s.", "bold", "X", 400)
    assert caplog.messages == []
    log.warning("findfont: Font family %r not found.", "X")
    assert caplog.messages == ["findfont: Font family 'X' not found."]


@pytest.mark.parametrize("keep_end", [False, True])
@pytest.mark.parametrize("text", ["W" * 50, "Staffordshire bull terrier", "i" * 5000])
def test_fit_shortens_to_the_width(text, keep_end):
    fitted = fit_text(text, 1.0, 12, before="✓ ", after=" 98%", keep_end=keep_end)
    assert 0.7 < text_width(fitted, 12) <= 1.0
    assert fitted.startswith("✓ …" if keep_end else "✓ " + text[0])
    assert fitted.endswith(text[-1] + " 98%" if keep_end else "… 98%")


def test_fit_leaves_what_fits_and_marks_right_to_left():
    assert fit_text("cat", 1.0, 12) == "cat"
    assert fit_text("قطة", 1.0, 12) == "\u200eقطة\u200e"


def test_wrap_keeps_every_word():
    text = "most often one long name is taken for another"
    wrapped = wrap_text(text, 1.5, 12)
    assert " ".join(wrapped) == text
    assert len(wrapped) > 2
    assert all(text_width(line, 12) <= 1.5 for line in wrapped)
