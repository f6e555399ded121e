"""Pages, pictures and reasons: what the application answers to its own page."""

import dataclasses
import html.parser
import io
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from jaxcnn.photos.server.answers import PAGE_SIZE

from .conftest import BLUE, GREEN, RED, photo


class Reader(html.parser.HTMLParser):
    """Tags with their attributes, and the text, as a browser would read a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag, **wanted):
        return [
            a for t, a in self.tags if t == tag and all(a.get(k) == v for k, v in wanted.items())
        ]


def read(client, url, status=200):
    response = client.get(url)
    assert response.status_code == status, response.text
    assert response.content_type == "text/html; charset=utf-8"
    return Reader(response.text)


def labels(page):
    return [a["title"] for a in page.all("p", **{"class": "label"})]


def test_the_first_page_shows_the_latest_and_the_commonest(client):
    page = read(client, "/")
    assert len(page.all("li", **{"class": "tile"})) == 5
    assert "5 photos in one folder" in page.text
    assert "the latest first" in page.text
    assert re.search(r"Most common.*tabby, tabby cat\s+2", page.text, re.DOTALL)


def test_words_find_the_kinds_of_a_thing(client):
    page = read(client, "/?q=dog")
    assert labels(page) == ["golden retriever"] * 2
    assert "2 photos of “dog”" in page.text
    assert [a["value"] for a in page.all("input", name="q")] == ["dog"]
    page = read(client, "/?q=animal")
    assert set(labels(page)) == {"golden retriever", "tabby, tabby cat"}
    assert "“animal” means 2 classes of the network" in page.text


def test_the_least_probability_and_the_day_are_filters(client):
    assert len(labels(read(client, "/?q=dog&min_probability=0"))) == 5
    page = read(client, "/?q=dog&min_probability=0.9999")
    assert labels(page) == []
    assert "No photo shows “dog” with at least 99.99 %." in page.text
    since = read(client, "/?since=2023-11-17")
    assert len(labels(since)) == 2
    assert min(a["datetime"] for a in since.all("time")) == "2023-11-17"
    assert [a["value"] for a in since.all("input", name="since")] == ["2023-11-17"]
    chosen = read(client, "/?q=dog&min_probability=0.33").all("option", value="0.33")
    assert "selected" in chosen[0]


def test_an_empty_result_says_what_to_do(client):
    page = read(client, "/?q=dog&min_probability=0.9999&since=2023-01-01")
    urls = [a["href"] for a in page.all("a")]
    assert "/?q=dog&min_probability=0.9999" in urls
    assert "/?q=dog&min_probability=0.01&since=2023-01-01" in urls
    assert "/?q=golden+retriever" in urls
    assert page.all("p", id="status", role="status")


def test_a_misspelled_word_brings_suggestions(client):
    page = read(client, "/?q=retreiver")
    assert "nothing called “retreiver”" in page.text
    assert any("retriever" in a["href"] for a in page.all("a"))
    assert "/?q=animal" not in [a["href"] for a in page.all("a")]


@pytest.mark.parametrize(
    "words", ["'; DROP TABLE photos; --", '" OR 1=1 --', "%", "_", "*", "dog\\"]
)
def test_words_of_sql_are_words(client, words):
    for url in ("/", "/tiles"):
        client.get(url, query_string={"q": words})
    assert len(labels(read(client, "/"))) == 5


def test_hostile_names_stay_text(client, ids):
    page = read(client, "/?min_probability=0&q=%3Cscript%3Ealert(3)%3C/script%3E")
    assert [a.get("src") for a in page.all("script")] == ["/static/photos.js"]
    assert "<script>alert(3)</script>" in page.text
    page = read(client, "/")
    assert [a.get("src") for a in page.all("script")] == ["/static/photos.js"]
    assert {a["src"] for a in page.all("img")} == {f"/thumbnail/{i}" for i in ids.values()}
    assert all(
        set(a) <= {"class", "src", "alt", "width", "height", "loading", "decoding"}
        for a in page.all("img")
    )
    assert "<img src=x onerror=alert(2)>.jpg" in page.text
    assert "<script>alert(1)</script>" in labels(page)
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert not [a for _, a in page.tags if "style" in a]


def test_tiles_come_in_pages(client):
    page = read(client, "/tiles?q=dog&page=1")
    assert [a["aria-posinset"] for a in page.all("li")] == ["1", "2"]
    assert {a["aria-setsize"] for a in page.all("li")} == {"2"}
    assert read(client, "/tiles?q=dog&page=2").all("li") == []
    assert read(client, "/tiles?q=dog&page=100000").all("li") == []
    page = read(client, "/?q=dog")
    assert page.all("section", id="results")[0]["data-page-size"] == str(PAGE_SIZE)


def test_the_index_may_change_while_it_is_served(client, index, folder):
    from .conftest import make_index

    assert len(labels(read(client, "/?q=dog"))) == 2
    (folder / "g.jpg").write_bytes(photo(GREEN, seed=5))
    make_index(index.path, folder).close()
    assert len(labels(read(client, "/?q=dog"))) == 3


def test_thumbnails_are_small_squares_and_kept(client, ids, app):
    response = client.get(f"/thumbnail/{ids['b.png']}")
    assert response.content_type == "image/jpeg"
    assert "private" in response.headers["Cache-Control"]
    image = Image.open(io.BytesIO(response.data))
    assert image.size == (256, 256)
    assert np.asarray(image).mean((0, 1)).argmax() == 1
    assert client.get(f"/thumbnail/{ids['b.png']}").data == response.data


def test_a_thumbnail_follows_its_file(client, ids, folder):
    before = client.get(f"/thumbnail/{ids['a.jpg']}").data
    (folder / "a.jpg").write_bytes(photo(BLUE, seed=3))
    after = Image.open(io.BytesIO(client.get(f"/thumbnail/{ids['a.jpg']}").data))
    assert after != before
    assert np.asarray(after).mean((0, 1)).argmax() == 2


@pytest.mark.parametrize(
    ("name", "kind", "same"),
    [("a.jpg", "image/jpeg", True), ("b.png", "image/png", True), ("c.tif", "image/jpeg", False)],
)
def test_originals_come_as_browsers_show_them(client, ids, folder, name, kind, same):
    with client.get(f"/photo/{ids[name]}") as response:
        assert response.content_type == kind
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert int(response.headers["Content-Length"]) == len(response.data)
        file = next(folder.rglob(name)).read_bytes()
        assert (response.data == file) == same
        assert Image.open(io.BytesIO(response.data)).size == (40, 30)


def test_a_kind_is_told_by_bytes_not_by_name(client, ids, folder):
    (folder / "a.jpg").write_bytes(photo(RED, format="PNG"))
    with client.get(f"/photo/{ids['a.jpg']}") as response:
        assert response.content_type == "image/png"
    (folder / "a.jpg").write_bytes(b"<html><script>alert(1)</script></html>")
    with client.get(f"/photo/{ids['a.jpg']}") as response:
        assert response.status_code == 415
        assert b"<script>alert" not in response.data


def test_the_reason_is_a_map_and_words(client, ids):
    response = client.get(f"/overlay/{ids['a.jpg']}/0")
    facts = json.loads(response.data)
    assert facts["map"].startswith("data:image/png;base64,")
    assert facts["words"].startswith("Looked ")
    assert client.get(f"/overlay/{ids['a.jpg']}/0").data == response.data


def drop(client, data, name="x.jpg", **headers):
    file = (io.BytesIO(data), name)
    return client.post("/drop", data={"photo": file}, headers=headers)


def test_a_dropped_photo_finds_those_like_it(client):
    response = drop(client, photo(GREEN, seed=7), "<b>my dog.jpg")
    assert response.status_code == 303
    page = read(client, response.location)
    assert labels(page)[:2] == ["golden retriever"] * 2
    assert "Photos like <b>my dog.jpg" in page.text
    assert "the most alike first" in page.text
    assert page.all("input", name="like")
    tiles = read(client, f"/tiles{response.location.removeprefix('/')}")
    assert labels(tiles) == labels(page)


def test_a_photo_has_the_name_by_which_it_was_dropped_last(client):
    for name in ("one.jpg", "two.jpg"):
        url = drop(client, photo(GREEN, seed=7), name).location
        assert f"Photos like {name}" in read(client, url).text


def test_the_script_is_told_where_the_answer_is(client):
    response = drop(client, photo(RED, seed=7), Accept="application/json")
    assert labels(read(client, json.loads(response.data)["url"]))[0] == "tabby, tabby cat"


def test_words_and_a_photo_may_be_combined(client):
    url = drop(client, photo(GREEN, seed=7)).location
    page = read(client, f"{url}&q=tabby&min_probability=0.01")
    assert "the most probable and most alike first" in page.text


def test_a_photo_that_is_no_longer_kept_is_asked_for_again(client):
    page = read(client, f"/?like={'0' * 32}")
    assert "drop it again" in page.text
    assert client.get(f"/tiles?like={'0' * 32}").status_code == 404


def test_photos_like_an_indexed_one(client, ids):
    page = read(client, f"/?like={ids['b.png']}")
    assert "Photos like b.png" in page.text
    assert labels(page)[:2] == ["golden retriever"] * 2


def test_an_empty_index_says_how_to_fill_it(tmp_path):
    from jaxcnn.photos.server.app import create_app

    from .conftest import ColourLabeller, explain, make_index

    (tmp_path / "none").mkdir()
    index = make_index(tmp_path / "index.sqlite", tmp_path / "none")
    client = create_app(index, ColourLabeller(), explain).test_client()
    page = read(client, "http://localhost/")
    assert "Index a folder of photos" in page.text
    index.close()


def test_names_that_are_no_text_are_shown(tmp_path):
    from jaxcnn.photos.server.app import create_app

    from .conftest import ColourLabeller, explain, make_index

    name = os.fsencode(tmp_path) + b"/p/\xff\xfe.jpg"
    (tmp_path / "p").mkdir()
    try:
        with open(name, "wb") as file:
            file.write(photo(RED))
    except OSError:
        pytest.skip("this file system has names of text alone")
    index = make_index(tmp_path / "index.sqlite", tmp_path / "p")
    client = create_app(index, ColourLabeller(), explain).test_client()
    page = read(client, "http://localhost/")
    assert "??.jpg" in page.text
    (number,) = {a["src"] for a in page.all("img")}
    assert client.get(f"http://localhost{number}").status_code == 200
    index.close()


@pytest.mark.parametrize("name", ["base.css", "photos.css", "photos.js"])
def test_static_files(client, name):
    with client.get(f"/static/{name}") as response:
        assert response.status_code == 200
        assert response.mimetype in ("text/css", "text/javascript", "application/javascript")
        assert b"http://" not in response.data
        assert b"https://" not in response.data


def test_columns_divide_a_page(client):
    with client.get("/static/photos.css") as response:
        columns = re.findall(r"--columns: (\d+)", response.text)
    assert len(columns) > 3
    assert all(PAGE_SIZE % int(count) == 0 for count in columns)


def test_an_index_rebuilt_by_another_network_is_told(client, ids, index, folder, monkeypatch):
    from .conftest import ColourLabeller

    url = drop(client, photo(GREEN, seed=7)).location
    other = dataclasses.replace(ColourLabeller.network, fingerprint="another")
    monkeypatch.setattr(type(index), "network", other)
    for answer in (
        drop(client, photo(GREEN, seed=7)),
        client.get(url),
        client.get(f"/overlay/{ids['a.jpg']}/0"),
    ):
        assert answer.status_code == 409
        assert "start it again" in answer.text
    assert client.get("/?q=dog").status_code == 200


def test_an_index_that_is_gone_is_told(client, index):
    index.path.unlink()
    response = client.get("/")
    assert response.status_code == 503
    assert "index" in response.text
