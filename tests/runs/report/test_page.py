"""Pages are templates filled in: nothing that a fact says becomes markup."""

import io

import jinja2
import numpy as np
import pytest
from PIL import Image

from jaxcnn.runs.report import embed_photo, embed_picture
from jaxcnn.runs.report.page import render_page, write_page

HOSTILE = "<script>alert(1)</script>\"'&"


def png(size=(3, 2)):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return file.getvalue()


def test_facts_are_text():
    page = render_page(
        "base.html.jinja", title=HOSTILE, subtitle=HOSTILE, sections=[("a", HOSTILE)]
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "a\u202egpj.exe",
            "\u2068a\u202egpj.exe\u2069",
        ),  # shows as aexe.jpg, and turns nothing else
        ("\u05d7\u05ea\u05d5\u05dc", "\u2068\u05d7\u05ea\u05d5\u05dc\u2069"),
        ("a\u2069\u202eb", "\u2068a\\u2069\u202eb\u2069"),  # would end the isolation
        ("K\u00e4tzchen", "K\u00e4tzchen"),
    ],
)
def test_a_name_does_not_turn_what_stands_beside_it(name, shown):
    page = render_page("base.html.jinja", title=name, subtitle=name, sections=[("a", name)])
    assert page.count(shown) == page.count(shown.strip("\u2068\u2069")) == 4


def test_a_missing_fact_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_page("base.html.jinja")


def test_a_package_brings_templates_of_its_own(tmp_path, monkeypatch):
    templates = tmp_path / "pages_of_mine" / "templates"
    templates.mkdir(parents=True)
    (templates.parent / "__init__.py").write_text("")
    (templates / "mine.html.jinja").write_text(
        '{% extends "base.html.jinja" %}{% import "parts.html.jinja" as parts %}'
        "{% block content %}{{ parts.figure(shown, caption) }}{% endblock %}"
    )
    monkeypatch.syspath_prepend(tmp_path)
    shown = embed_picture(png(), alt=HOSTILE, dark=png((3, 2)))
    page = render_page(
        "mine.html.jinja", package="pages_of_mine", title="mine", shown=shown, caption=HOSTILE
    )
    assert "<script" not in page
    assert '<source media="(prefers-color-scheme: dark)" srcset="data:image/png;base64,' in page
    assert 'width="3" height="2"' in page
    with pytest.raises(jinja2.TemplateNotFound):
        render_page("mine.html.jinja", title="mine")


def test_pages_fetch_and_run_nothing():
    page = render_page("base.html.jinja", title="t")
    assert "default-src 'none'; img-src data:" in page.replace("&#39;", "'")
    assert "http" not in page.replace("http-equiv", "")


def test_other_data_is_no_picture():
    with pytest.raises(ValueError, match="expected a PNG, JPEG"):
        embed_picture(b"%PDF-1.7", alt="a")


@pytest.mark.parametrize(
    ("shape", "size", "kind"),
    [((300, 200, 3), (107, 160), "jpeg"), ((40, 50, 1), (50, 40), "png")],
)
def test_photos_are_shrunk_never_enlarged(shape, size, kind):
    shown = embed_photo(np.zeros(shape, np.uint8), alt="a")
    assert (shown.width_px, shown.height_px) == size
    assert shown.source.startswith(f"data:image/{kind};base64,")


def test_small_photos_are_kept_exactly():
    import base64

    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    raw = base64.b64decode(embed_photo(image, alt="a").source.split(",")[1])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(raw))), image)


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.float32)])
def test_photos_are_uint8_of_rank_3(image):
    with pytest.raises(ValueError, match="expected uint8"):
        embed_photo(image, alt="a")


def test_names_that_utf8_cannot_write_are_written(tmp_path):
    path = write_page(tmp_path / "page.html", "caf\udce9")
    assert path.read_text("utf-8") == "caf?"
    assert list(tmp_path.iterdir()) == [path]
