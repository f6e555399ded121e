"""The page as a person meets it, in headless Chromium."""

import os
import threading
from pathlib import Path

import pytest

from jaxcnn.data.decisions.decision_log import DecisionLog
from jaxcnn.data.decisions.decision_table import read_decisions
from jaxcnn.photos.cleaning.app import create_cleaning_app
from jaxcnn.photos.cleaning.review import Review
from jaxcnn.photos.server.serving import bind, make_server

from .conftest import HOSTILE, ITEMS, explain, make_findings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path(os.environ.get("JAXCNN_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE_MS = 120_000  # of a machine that has much else to do

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield browser
        browser.close()


@pytest.fixture
def table(tmp_path):
    return tmp_path / "decisions.csv"


@pytest.fixture
def address(tmp_path, table):
    (tmp_path / "photos").mkdir()
    review = Review(make_findings(tmp_path / "photos", ITEMS), DecisionLog(table))
    bound = bind(0)
    server = make_server(create_cleaning_app(review, explain), bound)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.trigger.pull_trigger(server.close)
    thread.join(60)
    bound.close()


@pytest.fixture
def visit(browser, address):
    """Opens tabs; at the end nothing may have gone wrong in one, or been asked of another host."""
    playwright.expect.set_options(timeout=PATIENCE_MS)
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    troubles, requests = [], []

    def open_tab(path="/", **viewport):
        page = context.new_page()
        if viewport:
            page.set_viewport_size(viewport)
        page.on("request", lambda r: requests.append(r.url))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: m.type in ("error", "warning") and troubles.append(m.text))
        page.on("dialog", lambda dialog: (troubles.append("dialog"), dialog.dismiss()))
        page.goto(address + path)
        return page

    open_tab.troubles = troubles
    yield open_tab
    context.close()
    assert troubles == []
    assert all(url.startswith((address, "data:")) for url in requests)


def expect(page, selector):
    return playwright.expect(page.locator(selector))


def test_keys_decide_and_undo(visit, table):
    page = visit()
    page.keyboard.press("2")
    expect(page, "#status").to_have_text("1 of 5 photos looked at")
    page.keyboard.press("x")
    expect(page, "#status").to_have_text("2 of 5 photos looked at")
    page.keyboard.press("k")
    expect(page, "#status").to_have_text("3 of 5 photos looked at")
    assert {name: row[1:4] for name, row in read_decisions(table).items()} == {
        "cat/1.jpg": ("relabel", "cat", "dog"),
        HOSTILE: ("exclude", "cat", ""),
        "dog/2.png": ("keep", "dog", ""),
    }
    for left in (2, 1, 0):
        page.keyboard.press("u")
        expect(page, "#status").to_have_text(f"{left} of 5 photos looked at")
    assert read_decisions(table) == {}
    expect(page, "h2").to_have_text("Labelled cat")
    page.keyboard.press("u")  # nothing is left to take back
    expect(page, "#status").to_have_text("0 of 5 photos looked at")


def test_arrows_move_without_deciding(visit, table):
    page = visit()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/?at=1")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/?at=2")
    expect(page, ".others img").to_have_count(1)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/?at=1")
    page.go_back()
    page.wait_for_url("**/?at=2")
    assert read_decisions(table) == {}


def test_a_key_with_ctrl_is_the_browsers(visit, table):
    page = visit()
    for key in ("Control+k", "Alt+x", "Meta+2"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/?at=1")
    assert read_decisions(table) == {}


def test_a_map_is_shown_and_hidden_by_a_key(visit):
    page = visit()
    page.keyboard.press("h")
    expect(page, ".map").to_have_count(1)
    expect(page, "#overlay").not_to_be_empty()
    photo, shown = (page.locator(s).bounding_box() for s in (".photo", ".map"))
    for side, length in (("x", "width"), ("y", "height")):  # over the photo's central square
        assert abs(photo[side] + photo[length] / 2 - shown[side] - shown[length] / 2) < 1
        assert abs(shown[length] - min(photo["height"], photo["width"] * 48 / 64)) < 1
    expect(page, ".class[aria-pressed=true] .name").to_have_text("dog")
    page.locator(".class").nth(1).click()
    expect(page, ".class[aria-pressed=true] .name").to_have_text("cat")
    expect(page, ".map").to_have_count(1)
    page.locator(".class").nth(1).click()
    expect(page, ".map").to_have_count(0)
    expect(page, "#overlay").to_be_empty()


def test_two_tabs_lose_no_decision(visit, table):
    one, other = visit(), visit()
    one.keyboard.press("2")
    expect(one, "#status").to_have_text("1 of 5 photos looked at")
    other.keyboard.press("x")
    expect(other, "h1").to_have_text("That did not work")
    assert read_decisions(table)["cat/1.jpg"].decision == "relabel"
    visit.troubles.clear()  # Chromium notes the refusal
    other.click("text=Back to the photos")
    expect(other, "#status").to_have_text("1 of 5 photos looked at")


def test_the_last_photo_leads_to_the_end(visit):
    page = visit("/?kind=odd")
    page.keyboard.press("k")
    expect(page, ".end h2").to_have_text("All are looked at")
    page.keyboard.press("u")
    expect(page, "h2").to_have_text("Labelled dog")
    assert page.locator(".end").count() == 0


def test_a_photo_that_is_gone_says_why(visit, tmp_path):
    os.unlink(tmp_path / "photos" / "0")
    page = visit()
    expect(page, ".gone").to_be_visible()  # which waits for the photo's failure
    assert "was moved, deleted or changed" in page.locator(".gone").inner_text()
    visit.troubles.clear()  # Chromium notes each 404


def test_on_a_phone_the_photo_comes_first_and_fingers_hit(visit):
    page = visit(width=390, height=844)
    assert page.locator(".photo").bounding_box()["y"] < 844 / 3
    for button in page.locator("button:visible, .steps a:visible, .kinds a:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 44, button.inner_text()
        assert box["width"] >= 44, button.inner_text()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit, width):
    for path in ("/", "/?at=1", "/?at=2", "/?at=3", "/?kind=odd"):
        page = visit(path, width=width, height=800)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_every_control_has_a_name(visit):
    page = visit("/?at=1&done=0")
    tree = page.locator("body").aria_snapshot()
    for line in ('button "keep cat"', 'button "dog"', 'button "exclude"', 'link "next"', "status"):
        assert line in tree, tree
    assert "button:" not in tree


def test_the_page_works_without_its_script(browser, address, table):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.click("button[value='1']")
    expect(page, "#status").to_have_text("1 of 5 photos looked at")
    page.click("text=undo")
    expect(page, "#status").to_have_text("0 of 5 photos looked at")
    page.click("text=next")
    page.wait_for_url("**/?at=1")
    context.close()
    assert read_decisions(table) == {}


def test_hostile_names_do_nothing(visit):
    page = visit("/?at=1")
    expect(page, ".said > .name").to_contain_text(HOSTILE)
    assert page.evaluate("document.scripts.length") == 1
