"""A figure for a light page and for a dark one."""

import io
import re
from importlib import resources

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from PIL import Image

from jaxcnn.plots import style
from jaxcnn.plots.themes import DARK, darken, web_pair


def make_figure():
    """A line, a bar, points, a photo, and a text, in colours of the house look."""
    figure = Figure(figsize=(3, 2), dpi=100, facecolor="white")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=style.BLUE, marker="o")
    axes.bar([0], [1], color=to_rgba(style.GREY, 0.5))
    axes.scatter([0.5], [0.5], color=style.VERMILLION, alpha=0.25)
    axes.imshow(np.full((2, 2, 3), 200, np.uint8))
    axes.text(0, 0, "page", color=style.INK)
    axes.plot([1, 0], [0, 1], color="#123456")
    return figure


def test_colours_of_the_house_look_change_and_others_stay():
    figure = make_figure()
    darken(figure)
    axes = figure.axes[0]
    assert to_hex(figure.get_facecolor()).upper() == DARK["#FFFFFF"]
    assert to_hex(axes.lines[0].get_color()).upper() == DARK[style.BLUE]
    assert to_hex(axes.lines[0].get_markerfacecolor()).upper() == DARK[style.BLUE]
    assert to_hex(axes.lines[1].get_color()) == "#123456"
    (text,) = axes.texts
    assert to_hex(text.get_color()).upper() == DARK[style.INK]


def test_transparency_stays():
    figure = make_figure()
    darken(figure)
    bar, points = figure.axes[0].patches[0], figure.axes[0].collections[0]
    np.testing.assert_allclose(bar.get_facecolor(), to_rgba(DARK[style.GREY], 0.5))
    np.testing.assert_allclose(points.get_facecolor()[0], to_rgba(DARK[style.VERMILLION], 0.25))


def test_both_files_show_the_same_photo_on_another_page():
    light, dark = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in web_pair(make_figure())
    )
    assert light.shape == dark.shape == (200, 300, 3)
    assert (light[0] == 255).all()
    assert (dark[0] == (20, 23, 27)).all()
    photo = (light == 200).all(axis=2)
    assert photo.sum() > 1000
    assert ((dark == 200).all(axis=2) == photo).mean() > 0.98
    assert web_pair(make_figure())[0] == web_pair(make_figure())[0]


def page_colours(theme):
    """The colours that the pages' style sheet gives a theme, by name, each a number."""
    sheet = resources.files("jaxcnn.runs.report").joinpath("templates/style.css").read_text()
    light, dark, *_ = re.findall(r":root \{(.*?)\}", sheet, flags=re.S)
    found = dict(re.findall(r"--(\w+): ([^;]+);", light))
    found |= dict(re.findall(r"--(\w+): ([^;]+);", dark)) if theme == "dark" else {}
    plain = {f"var(--{name})": value for name, value in found.items()}
    return {name: plain.get(value, value).upper() for name, value in found.items()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_and_pictures_have_the_same_colours(theme):
    names = ("TRAINING", "VALIDATION", "RIGHT", "WRONG", "BLUE", "VERMILLION", "GREEN")
    here = {name.lower(): getattr(style, name) for name in names} | {"page": "#FFFFFF"}
    if theme == "dark":
        here = {name: DARK[colour] for name, colour in here.items()}
    there = page_colours(theme)
    assert {name: there[name] for name in here} == here
