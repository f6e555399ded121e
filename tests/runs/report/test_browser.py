"""The page in a browser: nothing fetched, nothing complained of, and no wider than a phone."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn.runs.report.page import render_page
from jaxcnn.runs.report.run_page import write_report

CHROMIUM = os.environ.get("JAXCNN_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed", exc_type=ImportError
    )
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is missing; JAXCNN_CHROMIUM names another")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("num_classes", [2, 30, 120])
def test_the_page_in_a_browser(browser, make_run, width, scheme, num_classes):
    names = [f"<script>alert({i})</script>" + "long_name_" * 5 for i in range(num_classes)]
    folder = make_run(num_classes, 300, class_names=names)
    path = write_report(folder.path)
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    broken = "[...document.images].filter(each => !each.naturalWidth).length"
    assert page.evaluate(broken) == 0
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
    page.close()


def shade(page, text):
    """How much darker than its middle the right edge of a block of code is, of 255."""
    page.set_content(
        render_page("base.html.jinja", title="A page").replace(
            '<main id="content">', f'<main id="content"><pre><code>{text}</code></pre>'
        )
    )
    data = page.locator("pre").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"), float)
    line = pixels[9]  # below the round corner, above the text
    return line[len(line) // 2] - line[-3]


def test_code_that_overflows_has_a_shadow_at_its_edge(browser):
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="light")
    assert shade(page, "long " * 40) > 40
    assert shade(page, "short") < 5
    page.close()
