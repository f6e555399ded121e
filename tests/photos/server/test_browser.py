"""The page as a person meets it, in headless Chromium: ten thousand photos, three of them real."""

import base64
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from jaxcnn.photos.server.answers import PAGE_SIZE
from jaxcnn.photos.server.app import create_app
from jaxcnn.photos.server.serving import bind, make_server

from .conftest import (
    BLUE,
    GREEN,
    MAX_UPLOAD_BYTES,
    RED,
    ColourLabeller,
    explain,
    make_index,
    photo,
)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = Path(os.environ.get("JAXCNN_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE_MS = 120_000  # of a machine that has much else to do
TOTAL = 10_000
# Two screens and the one between them at most, in pages that straddle their edges.
MOST_TILES = 8 * PAGE_SIZE
MOST_NODES = 20 * MOST_TILES

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing")


def multiply(index_path, folder):
    """Add links to three photos, and rows like theirs, until the index holds TOTAL."""
    with sqlite3.connect(index_path) as connection:
        rows = connection.execute("SELECT * FROM photos ORDER BY id").fetchall()
        vectors = dict(connection.execute("SELECT * FROM vectors"))
        new = []
        for number in range(len(rows) + 1, TOTAL + 1):
            row = rows[number % len(rows)]
            path = folder / f"copy {number:05d}.jpg"
            os.link(os.fsdecode(row[1]), path)
            new.append((number, os.fsencode(path), *row[2:5], row[5] - 86400 * number, *row[6:]))
            vectors[number] = vectors[row[0]]
        connection.executemany("INSERT INTO photos VALUES (?,?,?,?,?,?,?,?)", new)
        added = [(n, v) for n, v in vectors.items() if n > len(rows)]
        connection.executemany("INSERT INTO vectors VALUES (?,?)", added)
    connection.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, colour in enumerate((RED, GREEN, BLUE)):
        (folder / f"photo {number}.jpg").write_bytes(photo(colour, seed=number))
    path = folder.parent / f"{folder.name}.sqlite"
    make_index(path, folder).close()
    multiply(path, folder)
    index = make_index_reader(path)
    app = create_app(index, ColourLabeller(), explain, max_upload_bytes=MAX_UPLOAD_BYTES)
    bound = bind(0)
    server = make_server(app, bound)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.trigger.pull_trigger(server.close)
    thread.join(60)
    bound.close()
    index.close()


def make_index_reader(path):
    from jaxcnn.photos.index_reader import PhotoIndex

    return PhotoIndex(path)


@pytest.fixture(scope="module")
def browser(address):  # closed before the server is, which waits for connections
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield browser
        browser.close()


class Visit:
    """A tab, with what it asked for and what went wrong in it."""

    def __init__(self, browser, address, **options):
        self.address = address
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.requests, self.troubles = [], []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("dialog", lambda dialog: (self.troubles.append("dialog"), dialog.dismiss()))

    def _note(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def go(self, path="/"):
        self.page.goto(self.address + path)
        return self.page

    def asked(self, part):
        return [url for url in self.requests if part in url]

    def expect(self, selector):
        return playwright.expect(self.page.locator(selector))


@pytest.fixture
def visit(browser, address):
    playwright.expect.set_options(timeout=PATIENCE_MS)
    visit = Visit(browser, address)
    yield visit
    visit.context.close()
    assert visit.troubles == []
    assert all(url.startswith((address, "data:", "blob:")) for url in visit.requests)


def test_words_find_photos_and_the_back_button_returns(visit):
    page = visit.go()
    page.fill("#q", "dog")
    page.press("#q", "Enter")
    page.wait_for_url("**/?q=dog&min_probability=0.1")
    visit.expect("#status").to_contain_text("of “dog”, the most probable first")
    visit.expect(".tile:first-child .label").to_have_text(["golden retriever"])
    page.fill("#q", "tabby")
    page.click("#ask button")
    page.wait_for_url("**/?q=tabby*")
    page.go_back()
    visit.expect("#status").to_contain_text("of “dog”")
    visit.expect("#q").to_have_value("dog")
    page.go_back()
    visit.expect("#status").to_contain_text("10,000 photos, the latest first")
    page.go_forward()
    visit.expect("#status").to_contain_text("of “dog”")
    assert page.url.startswith(f"{visit.address}/?q=dog&")


def test_filters_are_in_the_address(visit):
    page = visit.go("/?q=dog&min_probability=0.5&since=2000-02-03")
    visit.expect("#min_probability").to_have_value("0.5")
    visit.expect("#since").to_have_value("2000-02-03")
    page.select_option("#min_probability", "0.9")
    page.fill("#since", "2001-02-03")
    page.press("#q", "Enter")
    page.wait_for_url("**/?q=dog&min_probability=0.9&since=2001-02-03")
    assert page.input_value("#min_probability") == "0.9"
    assert page.input_value("#since") == "2001-02-03"


def test_an_empty_result_helps(visit):
    page = visit.go("/?q=retreiver")
    visit.expect("#status").to_have_class("problem")
    visit.expect(".tile").to_have_count(0)
    page.click(".empty a >> text=retriever")
    visit.expect(".tile:first-child .label").to_have_text(["golden retriever"])
    assert page.input_value("#q") == "retriever"


def give(page, kind, data, name="my dog.jpg", type="image/jpeg"):
    """Let a file be dropped on the page or pasted into it."""
    page.evaluate(
        """([kind, text, name, type]) => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type }));
          const send = (name) => document.body.dispatchEvent(
            kind === "drop"
              ? new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true })
              : new ClipboardEvent(name, { clipboardData: transfer, bubbles: true }));
          if (kind === "drop") { send("dragenter"); window.invited = !target.hidden; }
          send(kind);
        }""",
        [kind, base64.b64encode(data).decode(), name, type],
    )


@pytest.mark.parametrize("kind", ["drop", "paste", "choose"])
def test_a_photo_finds_those_like_it(visit, kind):
    page = visit.go("/?q=tabby")
    data = photo(GREEN, seed=8)
    if kind == "choose":
        file = {"name": "my dog.jpg", "mimeType": "image/jpeg", "buffer": data}
        page.set_input_files("#photo", file)
    else:
        give(page, kind, data)
    page.wait_for_url("**/?like=*")
    visit.expect(".likeness h2").to_have_text("Photos like my dog.jpg")
    visit.expect(".tile:first-child .label").to_have_text(["golden retriever"])
    shown = page.evaluate("document.querySelector('.likeness img').naturalWidth")
    assert shown == 256
    page.go_back()
    visit.expect("#status").to_contain_text("of “tabby”")


def test_the_page_invites_a_drop_and_tells_what_was_wrong_with_it(visit):
    page = visit.go()
    give(page, "drop", b"no photo", name="notes.txt", type="text/plain")
    visit.expect("#status").to_contain_text("Not an image")
    assert page.evaluate("window.invited")
    visit.expect("#target").to_be_hidden()
    visit.troubles.clear()  # Chromium notes the refusal
    give(page, "drop", bytes(MAX_UPLOAD_BYTES + 1))
    visit.expect("#status").to_contain_text("at most 0 MB are read")
    assert len(visit.asked("/drop")) == 1  # nothing was sent in vain


def test_why_is_shown_on_hover_on_focus_and_by_a_tap(visit):
    page = visit.go("/?q=dog")
    picture = page.locator(".picture").nth(1)
    assert not visit.asked("/overlay/")
    picture.hover()
    visit.expect(".map.shown").to_have_count(1)
    playwright.expect(picture.locator(".overlay")).to_contain_text("Looked ")
    page.mouse.move(5, 5)
    visit.expect(".map.shown").to_have_count(0)
    playwright.expect(picture.locator(".overlay")).to_be_empty()
    picture.focus()
    visit.expect(".map.shown").to_have_count(1)
    assert len(visit.asked("/overlay/")) == 1  # the map is kept
    page.keyboard.press("Escape")
    visit.expect(".map.shown").to_have_count(0)
    picture.click()
    playwright.expect(picture).to_have_attribute("aria-pressed", "true")
    page.locator(".picture").nth(0).focus()
    visit.expect(".map.shown").to_have_count(2)  # the one that was tapped stays
    visit.expect("#aloud").to_contain_text("Looked ")


def test_photos_tapped_one_after_the_other_all_show_why(visit):
    page = visit.go("/?q=dog")
    for number in (0, 1, 2):
        page.locator(".picture").nth(number).click()
    visit.expect(".map.shown").to_have_count(3)
    page.locator(".picture").nth(1).click()
    visit.expect(".map.shown").to_have_count(2)
    pressed = [page.locator(".picture").nth(i).get_attribute("aria-pressed") for i in range(3)]
    assert pressed == ["true", "false", "true"]


def test_arrows_move_between_photos(visit):
    page = visit.go("/?q=dog")
    page.locator(".picture").nth(0).focus()
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.tiles')).gridTemplateColumns.split(' ').length"
    )
    place = "document.activeElement.closest('li').ariaPosInSet"
    for key, expected in (
        ("ArrowRight", 2),
        ("ArrowDown", 2 + columns),
        ("ArrowLeft", 1 + columns),
        ("ArrowUp", 1),
        ("ArrowUp", 1),
    ):
        page.keyboard.press(key)
        assert page.evaluate(place) == str(expected)


def test_every_control_has_a_name(visit):
    page = visit.go("/?q=dog")
    tree = page.locator("body").aria_snapshot()
    for line in (
        'combobox "Show photos of"',
        'combobox "At least"',
        'textbox "Since"',
        'button "Search"',
        "search",
        "status",
        'link "Skip to the content"',
        'region "Photos found"',
        'link "photos like',
    ):
        assert line in tree, line
    assert 'button "photo 1.jpg: golden retriever, ' in tree
    assert "button:" not in tree


def test_hostile_labels_do_nothing(visit):
    page = visit.go()
    visit.expect(".label >> text=<script>alert(1)</script>").not_to_have_count(0)
    assert page.evaluate("document.scripts.length") == 1


def wait_until(page, script):
    # Playwright's own waiting evaluates text in the page, which the page's policy forbids.
    for _ in range(PATIENCE_MS // 100):
        if page.evaluate(script):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"in vain waited for {script}")


def measure(page):
    return page.evaluate(
        """() => ({nodes: document.querySelectorAll("*").length,
                   tiles: document.querySelectorAll(".tile").length})"""
    )


@pytest.mark.slow
def test_ten_thousand_photos_are_never_in_the_page_at_once(visit):
    page = visit.go()
    visit.expect(".tiles").to_have_count(-(-TOTAL // PAGE_SIZE))
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height > 300_000
    most = measure(page)
    for step in range(1, 11):
        page.evaluate(f"scrollTo(0, {height} * {step} / 10)")
        in_view = """() => {
          const list = [...document.querySelectorAll(".tiles")].find((each) => {
            const box = each.getBoundingClientRect();
            return box.bottom > 0 && box.top < innerHeight;
          });
          return list && list.childElementCount > 0;
        }"""
        wait_until(page, in_view)
        found = measure(page)
        most = {name: max(most[name], found[name]) for name in most}
    assert most["tiles"] <= MOST_TILES
    assert most["nodes"] <= MOST_NODES
    visit.expect(".tile[aria-posinset='10000']").to_have_count(1)
    assert len(visit.asked("/tiles?")) <= 11 * MOST_TILES // PAGE_SIZE
    assert abs(page.evaluate("document.documentElement.scrollHeight") - height) < 1000
    page.evaluate("scrollTo(0, 0)")
    visit.expect(".tile[aria-posinset='1']").to_have_count(1)


def test_what_flies_by_is_not_asked_for(visit):
    page = visit.go()
    before = len(visit.asked("/tiles?"))
    page.evaluate(
        """async () => {
          const height = document.documentElement.scrollHeight;
          for (let step = 1; step <= 100; step++) {
            scrollTo(0, (height * step) / 100);
            await new Promise(requestAnimationFrame);
          }
        }"""
    )
    visit.expect(".tile[aria-posinset='10000']").to_have_count(1)
    whole = -(-TOTAL // PAGE_SIZE)
    assert len(visit.asked("/tiles?")) - before < whole / 2


def test_a_photo_in_focus_stays_in_the_page(visit):
    page = visit.go()
    page.locator(".picture").nth(3).focus()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    visit.expect(".tile[aria-posinset='10000']").to_have_count(1)
    assert page.evaluate("document.activeElement.closest('li').ariaPosInSet") == "4"


def test_pages_that_do_not_come_can_be_asked_for_again(visit):
    page = visit.go()
    page.route("**/tiles?*", lambda route: route.abort())
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    visit.expect(".retry >> text=does not answer").not_to_have_count(0)
    visit.troubles.clear()  # Chromium notes what failed
    page.unroute("**/tiles?*")
    before = len(visit.asked("/tiles?"))
    page.locator(".retry button").last.click()
    visit.expect(".tile[aria-posinset='10000']").to_have_count(1)
    assert len(visit.asked("/tiles?")) > before


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser, address, width):
    visit = Visit(browser, address, viewport={"width": width, "height": 800})
    for path in ("/", "/?q=retreiver", "/?like=1"):
        page = visit.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    visit.context.close()


def test_the_page_works_without_its_script(browser, address):
    visit = Visit(browser, address, java_script_enabled=False)
    page = visit.go()
    page.fill("#q", "dog")
    page.press("#q", "Enter")
    visit.expect(".tile").to_have_count(PAGE_SIZE)
    page.click("text=Next photos")
    visit.expect(".tile >> nth=0").to_have_attribute("aria-posinset", str(PAGE_SIZE + 1))
    file = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": photo(GREEN, seed=8)}
    page.set_input_files("#photo", file)
    page.click("#drop button")
    visit.expect(".likeness h2").to_have_text("Photos like x.jpg")
    assert "?like=" in page.url
    visit.context.close()


def test_a_photo_that_does_not_come_says_why(visit):
    reason = "This photo was moved."
    visit.page.route(
        "**/thumbnail/*",
        lambda route: route.fulfill(status=404, body=reason, content_type="text/plain"),
    )
    visit.go()
    why = visit.page.locator(".picture.gone .why").first
    playwright.expect(why).to_have_text(reason)  # which waits for it
    assert why.inner_text() == reason
    visit.page.goto("about:blank")  # whatever is still on its way is dropped
    visit.troubles.clear()  # the browser notes each 404


def test_on_a_phone_photos_come_first(browser, address):
    visit = Visit(browser, address, viewport={"width": 390, "height": 844})
    visit.go()
    visit.expect("#min_probability").to_be_hidden()
    assert visit.page.locator(".tiles").first.bounding_box()["y"] < 844 / 2
    visit.page.click("#more > summary")
    visit.expect("#min_probability").to_be_visible()
    visit.context.close()
