"""Results as one file: whole, bounded, and safe whatever photos are called."""

import re

import pytest
from programs import try_words

from jaxcnn.host.outputs import PAGE, Output
from jaxcnn.photos.ranking import Query, search
from jaxcnn.photos.server import gallery
from jaxcnn.photos.server.gallery import write_gallery

from .test_app import Reader


def written(tmp_path, index, query, **more):
    with Output(tmp_path / "g.html", PAGE) as output:
        count = write_gallery(output, index, query, search(index, query), **more)
    text = (tmp_path / "g.html").read_text("utf-8")
    return count, text, Reader(text)


def test_a_gallery_holds_its_pictures(tmp_path, index):
    count, text, page = written(tmp_path, index, Query(words="animal"))
    images = page.all("img")
    assert count == len(images) == 4
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in images)
    assert "4 photos of “animal”, the most probable first." in page.text
    assert "golden retriever" in page.text
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)
    assert not page.all("script")


def test_hostile_names_stay_text(tmp_path, index):
    _, text, page = written(tmp_path, index, Query(), like="<b>x")
    assert "<script" not in text
    assert "<b>x" not in text
    assert "<img src=x onerror=alert(2)>.jpg" in page.text
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]


def test_the_number_of_photos_is_bounded(tmp_path, index, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_PHOTOS", 2)
    count, _, page = written(tmp_path, index, Query())
    assert count == len(page.all("img")) == 2
    assert "5 photos, the latest first. The first 2 are shown." in page.text


@pytest.mark.parametrize("how", ["gone", "link", "broken"])
def test_a_photo_that_cannot_be_read_is_named(tmp_path, index, folder, how):
    (folder / "a.jpg").unlink()
    if how == "link":
        (folder / "a.jpg").symlink_to(folder.parent / "secret.jpg")
    elif how == "broken":
        (folder / "a.jpg").write_bytes(b"no photo")
    count, _, page = written(tmp_path, index, Query())
    assert count == 5
    assert len(page.all("img")) == 4
    assert "a.jpg" in page.text
    said = {"gone": "moved, renamed or deleted", "link": "indexed folder", "broken": "has changed"}
    assert said[how] in page.text


def test_nothing_found_says_what_to_do(tmp_path, index):
    _, _, page = written(tmp_path, index, Query(words="dog", min_probability=1.0))
    assert page.all("img") == []
    assert "more general word" in page.text


def search_program(index, *words):
    return try_words("photos", "search", f"--index={index.path}", *words)


def test_the_program_writes_it(tmp_path, index):
    done = search_program(index, "dog", f"--html={tmp_path}/dogs.html")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 photos" in done.stdout
    assert len(Reader((tmp_path / "dogs.html").read_text("utf-8")).all("img")) == 2


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path, index):
    done = search_program(index, "dog", f"--html={tmp_path}/none/dogs.html")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "none is not a folder" in done.stderr
